#!/bin/sh
# Writes conf.d/networks.conf: whom nginx shows /metrics, and whose X-Forwarded-For it believes.
#
# Run by the image before nginx starts. A script, because these settings are lists, in the same form as the app's
# (addresses and networks, comma-separated), and nginx wants a line for each entry:
#   NGINX_INSIDE_NETWORKS   see /metrics, besides the container itself
#   NGINX_TRUSTED_PROXIES   stand in front of nginx, and write there whom they speak for
set -eu

entries() {
    for entry in $(echo "$2" | tr ',' ' '); do
        case $entry in
            *[!0-9A-Fa-f.:/]*)
                echo "$1: not an address or a network: $entry" >&2
                exit 1
                ;;
        esac
        echo "$entry"
    done
}

inside=$(entries NGINX_INSIDE_NETWORKS "${NGINX_INSIDE_NETWORKS:-}")
proxies=$(entries NGINX_TRUSTED_PROXIES "${NGINX_TRUSTED_PROXIES:-}")
{
    echo 'geo $is_inside { default 0; 127.0.0.1 1; ::1 1;'
    for entry in $inside; do echo "    $entry 1;"; done
    echo '}'
    # Of the connection itself, whomever it speaks for.
    echo 'geo $realip_remote_addr $is_loopback { default 0; 127.0.0.1 1; ::1 1; }'
    echo 'geo $realip_remote_addr $is_from_proxy { default 0;'
    for entry in $proxies; do echo "    $entry 1;"; done
    echo '}'
    echo 'real_ip_header X-Forwarded-For;'
    echo 'real_ip_recursive on;'
    for entry in $proxies; do echo "set_real_ip_from $entry;"; done
} > "${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}/networks.conf"
