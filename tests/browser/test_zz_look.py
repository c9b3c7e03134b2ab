import time


def test_look(open_notebook):
    page = open_notebook(
        'from limitlab_widgets import OperatorStudio\nstudio = OperatorStudio("darcy", size="smoke", epochs=30, train_samples=80)\nstudio'
    )
    try:
        page.wait_for_selector("button:has-text('Make data')", timeout=90000)
        time.sleep(3)
        page.screenshot(path="/tmp/figlook/s1.png")
        page.get_by_role("button", name="Train").click()
        page.wait_for_selector("text=/training fno: step/", timeout=90000)
        time.sleep(3)
        page.screenshot(path="/tmp/figlook/s2.png")
        page.wait_for_selector("text=/trained/", timeout=90000)
        time.sleep(2)
        page.screenshot(path="/tmp/figlook/s3.png")
    except Exception:
        page.screenshot(path="/tmp/figlook/fail.png")
        raise
