"""Reports: a notebook run with parameters, as a self-contained page; many of them, as a comparison.

`report` runs one notebook, `sweep` a product of parameters on Dask, `replicate` looks at its claims at several seeds.
In a notebook `Claims` states what it claims: the table, the checked lines and the numbers that a sweep compares come
from one statement.
"""

from limitlab.reports.answers import number
from limitlab.reports.claims import Claims, Criterion, above, below, near, within
from limitlab.reports.comparison import Point
from limitlab.reports.course import student_copy, write_course
from limitlab.reports.execution import Report, ReportFailed, report
from limitlab.reports.publish import collect, publish
from limitlab.reports.record import Record, read_record
from limitlab.reports.replication import Replication, replicate
from limitlab.reports.sweep import Sweep, sweep
from limitlab.reports.tables import Table, formatted

__all__ = [
    "Claims",
    "Criterion",
    "Point",
    "Record",
    "Replication",
    "Report",
    "ReportFailed",
    "Sweep",
    "Table",
    "above",
    "below",
    "collect",
    "formatted",
    "near",
    "number",
    "publish",
    "read_record",
    "replicate",
    "report",
    "student_copy",
    "sweep",
    "within",
    "write_course",
]
