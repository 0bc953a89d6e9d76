"""Runs LocalStack in a session of its own, so that localstack/stop can end it together with all
processes that it starts, and Ctrl-C in a terminal doesn't reach it."""

import os
import runpy

os.setsid()
runpy.run_module("localstack.runtime.main", run_name="__main__")
