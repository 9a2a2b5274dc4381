# Copyright (C) nginx-ai-route contributors

# The harness itself: nginx loads the module, starts and answers, the
# simulated provider and the private Redis are there.

use lib 't/lib';
use AIRoute providers => ['a'], redis => 1;
use Test::Nginx::Socket 'no_plan';

like(redis_cli('PING'), qr/PONG/, 'private Redis answers');

run_tests();

__DATA__

=== TEST 1: nginx with the module answers a plain location
--- config
location /plain {
    return 200 "plain\n";
}
--- request
GET /plain
--- response_body
plain



=== TEST 2: the simulated provider is reached through plain proxy_pass
--- config
location /v1/ {
    proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_A;
}
--- request
POST /v1/chat/completions
{"model":"m","messages":[{"role":"user","content":"hi"}]}
--- more_headers
Content-Type: application/json
--- response_body_like: "usage"
--- error_code: 200
