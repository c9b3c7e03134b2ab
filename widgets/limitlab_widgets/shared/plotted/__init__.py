"""Figures as a page gets them: the widget, what differs of a newer figure, a picture without any code."""
