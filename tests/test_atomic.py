import threading

import pytest

from limitlab.atomic import replacing, write_atomically


def test_failed_write_keeps_the_file_before(tmp_path):
    path = tmp_path / "weights"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_bytes(b"half" * (1 // 0))
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        print(temporary.write_bytes(b"half") // 0)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["weights"]


def test_text_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = write_atomically(tmp_path / "page.html", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_what_a_killed_writer_left_is_written_over(tmp_path):
    path = tmp_path / "log"
    with replacing(path) as left_behind:
        left_behind.write_text("half")
    left_behind.write_text("half, once more")
    with replacing(path) as temporary:
        assert temporary == left_behind
        temporary.write_text("whole")
    assert [file.name for file in tmp_path.iterdir()] == ["log"]


def test_the_file_is_as_open_as_its_folder(tmp_path):
    tmp_path.chmod(0o755)
    with replacing(tmp_path / "file") as temporary:
        temporary.touch(mode=0o600)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_of_several_writers_at_once_each_writes_a_whole_file(tmp_path):
    texts = {letter: letter * 100_000 for letter in "abcd"}
    path = tmp_path / "page"
    threads = [threading.Thread(target=write_atomically, args=(path, text)) for text in texts.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts.values()
    assert [file.name for file in tmp_path.iterdir()] == ["page"]
