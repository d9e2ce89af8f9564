#!/usr/bin/env bash
# The sample collection, searched three ways: ./run demo calls this after the build.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
pgmmr=build/release/pgmmr

say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }
show() {  # prints the command so that it can be pasted, then runs it
  local word line=$pgmmr
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./-]+$ ]]; then line+=" $word"; else line+=" \"$word\""; fi
  done
  printf '\n\033[1m$ %s\033[0m\n' "$line" >&2
  "$pgmmr" "$@"
}
remark() { printf '\n%s\n' "$*" >&2; }

case ${1:-} in
  '' | --no-serve) ;;
  *) echo "demo: unknown option $1; there is --no-serve" >&2; exit 2 ;;
esac

say "1 of 2  The sample collection: 4,861 emoji pictures with captions in English and Chinese"
# A demo collection made with an earlier version's model is made again, if the sample is all that is in it.
value() { sed -n 's/^ *"'"$1"'": "\{0,1\}\([^",]*\).*/\1/p' | head -n 1; }
made=$("$pgmmr" collection show demo --format json 2>/dev/null) || made=
if [ "$(value id <<<"$made") $(value rows <<<"$made")" = "demo 4861" ] && [[ $(value source <<<"$made") == */demo/emoji.parquet ]] &&
  [ "$(value fingerprint <<<"$made")" != "$("$pgmmr" model info demo --format json | value fingerprint)" ]; then
  remark "The demo collection that is there was made with an earlier model; it is made again:"
  show collection drop demo --yes
fi
show ingest demo/emoji.parquet -c demo --model demo --caption text_en --caption text_zh

say "2 of 2  Three searches"
remark "Words, by meaning alone; no caption says yellow of a flower, keyword search finds white and wilted ones:"
show search -c demo "yellow flower" --mode vector -k 4 --save pgmmr-demo-words.png
remark "A picture, and what looks like it:"
show search -c demo --image demo/query.png -k 6 --save pgmmr-demo-picture.png
remark "Meaning and words together, in Chinese:"
show search -c demo "红色的水果" -k 12 --save pgmmr-demo.png

say "Contact sheets: pgmmr-demo-words.png, pgmmr-demo-picture.png, pgmmr-demo.png"
if [ "${1:-}" = --no-serve ]; then
  say "The web page: $pgmmr serve, then http://127.0.0.1:7860"
else
  say "The web page, until Ctrl-C:"
  exec "$pgmmr" serve --quiet
fi
