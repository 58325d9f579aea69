#!/bin/sh
# Copies the page's files to where nginx serves them from, with a compressed one beside each text.
#
# Run by the image before nginx starts, and after an update of the page on a running system:
#   docker compose exec nginx /docker-entrypoint.d/35-page-files.sh
# A copy, because the project's folder is mounted read-only, and because a page must not change file by file.
set -eu

from=${PAGE_FILES:-/usr/share/nginx/web}
to=${PAGE_FILES_SERVED:-/tmp/web}

rm -rf "$to.new" "$to.old"
cp -R "$from" "$to.new"
(cd "$from" && find . -type f) | while read -r file; do
    # ETags are made of time and size: all replicas of nginx shall have the same.
    touch -r "$from/$file" "$to.new/$file"
    case $file in
        *.html | *.js | *.css | *.json | *.svg)
            gzip -9 < "$from/$file" > "$to.new/$file.gz"
            touch -r "$from/$file" "$to.new/$file.gz"
            ;;
    esac
done
[ ! -e "$to" ] || mv "$to" "$to.old"
mv "$to.new" "$to"
rm -rf "$to.old"
