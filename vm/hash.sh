#!/bin/sh
# Prints one sha256 over the files named on standard input: names and contents, in the order of their names.
set -eu
LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1
