# Copyright (C) nginx-ai-route contributors

# ai_meter: what "nginx -t" refuses, and where it is inherited.

use lib 't/lib';
use AIRoute providers => ['a'];
use Test::Nginx::Socket 'no_plan';
use AIClient;
use AIOwn;

use AIConf wrap => {
    outer => "upstream a {\n    server 127.0.0.1:1;\n"
             . "    ai_account provider=vllm base=http://a/v1; }\n%s\n",
};

# what the blocks without "says" do; one request each
add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run || !defined $block->metered;

    for my $line (split /\n/, $block->metered) {
        my ($path, $want) = split ' ', $line;
        my $r = ask(path => $path);
        my @rec = records($r, $want eq 'no' ? 0 : 1);

        is($r->{status}, 200, "$path: served");
        is(scalar @rec, $want eq 'no' ? 0 : 1, "$path: metered: $want");
        is($rec[0]{route}, $want eq 'route' ? 'm' : undef, "$path: route")
            if @rec;

        # ai_pass drops what it has asked for itself
        unlike(ask(path => $path, stream => 1)->{body}, qr/"usage":\{/,
               "$path: no usage chunk");
    }
});

no_long_string();
run_tests();

__DATA__

=== TEST 1: beside ai_pass
--- outer
ai_route m { target a; }
server {
    listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /v1/ {
        ai_pass;
        ai_meter on;
    }
}
--- says
"ai_meter" in location "/v1/" stands beside "ai_pass", which meters its requests itself, write only one of them -> 9

=== TEST 2: before it
--- outer
ai_route m { target a; }
server {
    listen 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    location /v1/ {
        ai_meter on;
        ai_pass;
    }
}
--- says
"ai_meter" in location "/v1/" stands beside "ai_pass", which meters its requests itself, write only one of them -> 8

=== TEST 3: another word
--- ai
ai_meter yes;
--- says
"ai_meter" takes one word, write "ai_meter on" or "ai_meter off" -> 1

=== TEST 4: none, and two
--- ai
server { listen 127.0.0.1:$TEST_NGINX_DEAD_PORT; ai_meter; }
--- says
"ai_meter" takes one word, write "ai_meter on" or "ai_meter off" -> 1

=== TEST 5: twice
--- ai
ai_meter on;
ai_meter off;
--- says
"ai_meter" directive is duplicate -> 2

=== TEST 6: "off" beside ai_pass, and an account that no route names
--- outer
ai_route m { target a; }
upstream b { server 127.0.0.1:1; ai_account provider=vllm base=http://b/v1; }
--- config
location /v1/ { ai_pass; ai_meter off; }
location /m/ { proxy_pass http://b; ai_meter on; }
location = /up { return 204; }
--- silent

=== TEST 7: inherited from http, but not by ai_pass
--- ai
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_meter on;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
ai_route m { target a; }
--- config
location /v1/ { ai_pass; }
location /m/ { proxy_pass http://a; }
location /if/ { if ($request_method = POST) { proxy_pass http://a; } }
location /off/ { ai_meter off; proxy_pass http://a;
    location /off/on/ { ai_meter on; proxy_pass http://a; } }
location = /up { return 204; }
--- metered
/v1/chat/completions route
/m/chat/completions yes
/if/chat/completions yes
/off/chat/completions no
/off/on/chat/completions yes

=== TEST 8: alone: no account, no route, no zone
--- ai
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; }
--- config
location /m/ { ai_meter on; proxy_pass http://a; }
location /n/ { proxy_pass http://a; }
location = /up { return 204; }
--- metered
/m/chat/completions yes
/n/chat/completions no
--- no_error_log
open to every client

=== TEST 9: nothing to be recorded to
--- ai
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; }
--- config
location /m/ { ai_meter on; proxy_pass http://a; }
location = /up { return 204; }
--- metered
/m/chat/completions no
