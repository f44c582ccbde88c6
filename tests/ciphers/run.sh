#!/usr/bin/env bash
# Compares digests and ciphers with Python's over random inputs: run.sh ANSWER-PROGRAM, or EMULATOR ARGUMENT... PROGRAM
exec python3 "$(dirname "$0")/compare.py" "$@"
