#!/usr/bin/env bash
# What only a GPU can tell about Textune, in less than eight minutes: each phase under a time limit of its own, a JSON
# line for each finding as it is made, one table at the end. What is missing is installed from $WHEELS, a folder of
# wheels, without an index.
#
#     OUT=results bash benchmarks/on_gpu.sh
#     DEVICE=cpu TINY=1 OUT=results bash benchmarks/on_gpu.sh      # all phases in small, where there is no GPU
#
# PATIENCE=3 gives each phase three times as long.
set -u
cd "$(dirname "$0")/.."
export DEVICE=${DEVICE:-cuda} TINY=${TINY:-} OUT=${OUT:-gpu-results} PYTHON=${PYTHON:-python3}
export PYTHONPATH="$PWD/src:$PWD/benchmarks${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
export TEXTUNE_CACHE="$OUT/cache"
rm -f "$OUT/findings.jsonl"

if [ -n "${WHEELS:-}" ]; then
  "$PYTHON" benchmarks/gpu/missing.py | xargs -r "$PYTHON" -m pip install --quiet --no-index --find-links "$WHEELS"
fi

failed=0
phase() {  # NAME SECONDS COMMAND…: a phase that fails or takes too long costs what it would have found, no more
  local name=$1 seconds=$(($2 * ${PATIENCE:-1})) started=$SECONDS
  shift 2
  timeout --kill-after=5 "$seconds" "$@" > "$OUT/$name.log" 2>&1
  local code=$?
  [ $code -eq 0 ] || failed=1
  printf '{"phase": "%s", "name": "exit code", "value": %d}\n' "$name" $code >> "$OUT/findings.jsonl"
  printf '{"phase": "%s", "name": "seconds", "value": %d}\n' "$name" $((SECONDS - started)) >> "$OUT/findings.jsonl"
  echo "$name: exit code $code after $((SECONDS - started)) s"
}

phase start 30 "$PYTHON" benchmarks/gpu/start.py
phase probes 40 "$PYTHON" benchmarks/gpu/probes.py
if [ "$DEVICE" = cuda ]; then
  phase tests 110 "$PYTHON" -m pytest -m gpu -n 4 -W default
fi
phase speed 130 "$PYTHON" benchmarks/gpu/speed.py
phase sharing 80 "$PYTHON" benchmarks/gpu/sharing.py
phase shortage 45 "$PYTHON" benchmarks/gpu/shortage.py
phase resuming 30 "$PYTHON" benchmarks/gpu/resuming.py
"$PYTHON" benchmarks/gpu/table.py | tee "$OUT/gpu.md"
exit $failed
