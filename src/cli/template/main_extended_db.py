#!/bin/sh
"exec" "${0%/*}/../manage" "database" "extend" "$@"
# SPDX-License-Identifier: MIT
# The old name of `manage database extend`; works for the shell and for Python as ../manage.py does.
import os
import sys

manage = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "manage")
os.execv(manage, [manage, "database", "extend"] + sys.argv[1:])
