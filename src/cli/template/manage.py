#!/bin/sh
"exec" "${0%/*}/manage" "$@"
# SPDX-License-Identifier: MIT
# The old name of `manage`. A shell runs the line above and reads no further; Python takes that line for a text and goes on,
# so that `./manage.py COMMAND` needs no Python and `python manage.py COMMAND` of old scripts goes on working.
import os
import sys

manage = os.path.join(os.path.dirname(os.path.abspath(__file__)), "manage")
os.execv(manage, [manage] + sys.argv[1:])
