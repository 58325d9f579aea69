#!/bin/sh
# Writes conf.d/body-limit.conf: the app's BODY_BYTES_MAX, and no more. The app answers what is larger while it still
# arrives, and closes. Then nginx, still sending, often finds the connection broken before it finds the answer, and says
# 502. Ours is the same answer.
#
# Run by the image before nginx starts. `secrets` has read the app's files (services/app/.env …) and left the limit in
# /settings; without that folder it is NGINX_BODY_BYTES_MAX.
set -eu

limit=$NGINX_BODY_BYTES_MAX
if [ -r /settings/body_bytes_max ]; then
    limit=$(cat /settings/body_bytes_max)
fi
echo "client_max_body_size $limit;" > "${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}/body-limit.conf"
