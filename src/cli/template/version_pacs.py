# SPDX-License-Identifier: MIT
# The version of the program that made this archive: `manage -vp` prints it.
__version__ = '@VERSION@'
