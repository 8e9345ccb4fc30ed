#!/usr/bin/env bash
# Runs gradsan on the residual example.  The program fails, as it should; the demonstration itself ends well.
set -euo pipefail
cd "$(dirname "$0")/residual"
gradsan="${BIN:+$BIN/}gradsan"

color=never
if [ -t 1 ]; then color=always; fi

echo '$ cd examples/residual && gradsan run train.py'
status=0
said=$("$gradsan" run --color "$color" train.py 2>&1) || status=$?
printf '%s\n\n' "$said"
if [[ $said != *'error'*'[GS101]'* ]]; then
    echo "gradsan did not explain the failure; that is a defect"
    exit 1
fi
echo "train.py ended with exit status $status, its own: gradsan explains a failure, it doesn't hide it."
