#!/bin/sh
# Says something to the bot as Slack would: sh ask.sh /command 'command=/status&text=shop' [SECRET]
# NODE is where the bot is, SLACK what stands in for Slack.
body="$2&response_url=${SLACK:-http://127.0.0.1:3000}/reply"
time=$(date +%s)
signature=$(printf 'v0:%s:%s' "$time" "$body" | openssl dgst -sha256 -hmac "${3:-change-me}" -r | cut -d' ' -f1)
curl -s -H "X-Slack-Request-Timestamp: $time" -H "X-Slack-Signature: v0=$signature" -d "$body" "${NODE:-http://127.0.0.1:8787}$1"
echo
