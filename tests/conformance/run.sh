#!/usr/bin/env bash
# Holds jj against the reference model, flow by flow: run.sh JJ, or run.sh EMULATOR ARGUMENT... JJ.
# The reference and its captures are a data folder beside the repository. Without it: exit status 77, skipped.
groups=flow_meta,timing,size,tcp,tls,quic,ssh,dns,fingerprint,entropy,padding,connection

cd "$(dirname "$0")/../.." || exit 1
shared=../shared
if [ ! -f $shared/reference/compare.py ]; then
  echo "skipped: $shared is not here"
  exit 77
fi
exec python3 $shared/reference/compare.py --captures $shared/captures --expected $shared/expected --groups $groups -- "$@" extract
