"""A program that does what its argument says."""

import sys

exec(sys.argv[1])
