#!/usr/bin/env bash
# Runs gradsan on the residual example.  The program fails, as it should; the demonstration itself ends well.
set -euo pipefail
cd "$(dirname "$0")/residual"
gradsan="${BIN:+$BIN/}gradsan"

echo '$ cd examples/residual && gradsan run train.py'
status=0
"$gradsan" run train.py || status=$?
echo
echo "train.py ended with exit status $status, its own: gradsan explains a failure, it doesn't hide it."
