# Copyright (C) nginx-ai-route contributors

# What of a client's headers reaches the provider, what of the provider's
# reaches the client, and what the gateway puts there itself.
#
# "arrived" lists headers of the provider's last request: "Name: value" was
# there once with that value, "!Name" was not there.  "uri" is its target.

use lib 't/lib';
use AIRoute providers => ['a', 'b'], tls => ['s'];
use Test::Nginx::Socket 'no_plan';

use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();

my $json = JSON::PP->new->utf8;

BEGIN {
    $ENV{AI_TEST_SECRET} = 'sk-ours-0123456789';
    $ENV{TEST_NGINX_RAW_PORT} = free_port();
    $ENV{TEST_NGINX_H2_PORT} = free_port();
}

# a provider that says, byte for byte, what the file "reply" has

our $raw_pid = fork;

if (!$raw_pid) {
    $SIG{TERM} = 'DEFAULT';

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 9,
                                       ReuseAddr => 1,
                                       LocalPort => $ENV{TEST_NGINX_RAW_PORT});

    while (my $c = $listen->accept) {
        my $got = '';

        while (sysread $c, $got, 65536, length $got) {
            my ($n) = $got =~ /^Content-Length: (\d+)/mi;
            last if $got =~ /\r\n\r\n(.*)\z/s && length $1 >= ($n || 0);
        }

        print $c slurp(tmp_dir() . '/reply');
        close $c;
    }

    POSIX::_exit(0);
}

END { kill 'TERM', $raw_pid if $raw_pid; }

my @kinds = (
    # name, provider=, path of base=
    ['openai', 'openai', '/v1'], ['azure', 'azure', '/openai/v1'],
    ['anthropic', 'anthropic', '/v1'], ['gemini', 'gemini', '/v1beta'],
    ['gemini-oai', 'gemini', '/v1beta/openai'],
    ['vertex', 'vertex', '/v1/projects/p@x/endpoints/openapi'],
    ['bedrock', 'bedrock', '/openai/v1'], ['mistral', 'mistral', '/v1'],
    ['groq', 'groq', '/openai/v1'], ['deepseek', 'deepseek', ''],
    ['xai', 'xai', '/v1'], ['openrouter', 'openrouter', '/api/v1'],
    ['cohere', 'cohere', '/compatibility/v1'],
    ['vllm', 'vllm', '/v1'], ['compatible', 'compatible', '/a/b/c'],
);

our $kinds = join '', map {
    my ($name, $provider, $path) = @$_;
    "upstream $name { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A;\n"
    . "    ai_account provider=$provider base=http://$name.test$path"
    . " key=env:AI_TEST_SECRET; }\nai_route $name { target $name; }\n"
} @kinds;

our $simple = <<'END';
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=vllm base=http://b.test:8080/x; }
upstream raw { server 127.0.0.1:$TEST_NGINX_RAW_PORT;
    ai_account provider=compatible base=http://raw.test/v1; }
upstream dead { server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    ai_account provider=compatible base=http://dead.test/v1; }
ai_route m { target a; }
ai_route named { target a model=other; }
ai_route raw { target raw; }
ai_route two { target dead; target b model=second tier=2; }
ai_route same { target dead model=x; target a model=y tier=2; }
END

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('http_config', $main::simple)
        unless defined $block->http_config;
    $block->set_value('config', "location /v1/ { ai_pass; }\n")
        unless defined $block->config;
    $block->set_value('request', "POST /v1/chat/completions\n"
                      . (defined $block->json ? $block->json =~ s/\n\z//r
                                              : '{"model":"m"}'))
        unless defined $block->request;

    if (defined $block->reply) {
        open my $fh, '>', tmp_dir() . '/reply' or die "reply: $!\n";
        print $fh $block->reply;
        close $fh;
    }

    provider_reset(qw(a b s));
});

add_response_body_check(sub {
    my ($block, $body) = @_;
    my $name = $block->name;

    if (defined $block->arrived || defined $block->uri) {
        arrived($name, $block->at || 'a', $block->arrived || '', $block->uri);
    }

    if (defined $block->then) {
        eval $block->then;
        fail("$name - then: $@") if $@;
    }
});

sub arrived {
    my ($name, $at, $want, $uri) = @_;
    my $last = $json->decode(provider_get($at, '/__last'));
    my %h;

    push @{ $h{ lc $_->[0] } }, $_->[1] for @{ $last->{headers} };

    for my $line (split /\n/, $want) {
        if ($line =~ /^!(.*)/) {
            is_deeply($h{ lc $1 }, undef, "$name - no $1 arrived");
            next;
        }

        my ($k, $v) = split /: */, $line, 2;
        is_deeply($h{ lc $k }, [$v], "$name - $k arrived");
    }

    return $last unless defined $uri;
    is($last->{uri}, $uri =~ s/\n\z//r, "$name - uri");
    is($last->{method}, 'POST', "$name - method");
    return $last;
}

# one request as HTTP/1.1 or (h2) HTTP/2: status line and headers as curl
# prints them, and what curl says of errors

sub curl {
    my ($proto, @args) = @_;
    my $port = $proto eq 'h2' ? $ENV{TEST_NGINX_H2_PORT}
                              : $ENV{TEST_NGINX_SERVER_PORT};

    open my $fh, '-|', 'curl', '-sS', '-i', '--stderr', '-', '-m', 10,
         $proto eq 'h2' ? '--http2-prior-knowledge' : '--http1.1',
         @args, "http://127.0.0.1:$port/v1/chat/completions"
        or die "cannot run curl: $!\n";
    local $/;
    my $out = <$fh>;
    close $fh;
    return $out;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: the whole head that arrives
--- more_headers
User-Agent: sdk/1.0
Accept: application/json
Content-Type: application/json
X-Request-ID: id-1
X-Custom: Value, as it is
Authorization: Bearer client
Cookie: a=b
--- then
my $last = $json->decode(provider_get('a', '/__last'));
is_deeply([sort map { "$_->[0]: $_->[1]" } grep { $_->[0] ne 'traceparent' }
                @{ $last->{headers} }],
          ['Accept-Encoding: identity', 'Accept: application/json',
           'Content-Length: 13',
           'Content-Type: application/json', 'Host: a.test',
           'User-Agent: sdk/1.0', 'X-Custom: Value, as it is',
           'X-Request-ID: id-1'], 'and nothing else');



=== TEST 2: credentials and cookies of the client stay here
--- more_headers
Authorization: Bearer sk-client
X-Api-Key: sk-client
api-key: sk-client
x-goog-api-key: sk-client
Proxy-Authorization: Basic c2s6Y2xpZW50
Cookie: session=sk-client
OpenAI-Organization: org-client
OpenAI-Project: proj-client
--- arrived
!Authorization
!X-Api-Key
!api-key
!x-goog-api-key
!Proxy-Authorization
!Cookie
!OpenAI-Organization
!OpenAI-Project
--- then
unlike(provider_get('a', '/__last'), qr/client/, 'nowhere');



=== TEST 3: nor in any spelling, nor twice
--- more_headers
AUTHORIZATION: Bearer sk-client
X-API-KEY: sk-client
x-api-key: sk-client-2
API-Key: sk-client
X-Goog-Api-Key: sk-client
COOKIE: a=sk-client
cookie: b=sk-client
openai-organization: client
--- then
unlike(provider_get('a', '/__last'), qr/client/, 'nowhere');



=== TEST 4: what names the client's address or the gateway's own headers
--- more_headers
X-Forwarded-For: 192.0.2.1
X-Forwarded-Host: internal
X-Forwarded-Proto: https
X-Forwarded-Port: 443
X-Forwarded-Anything: x
Forwarded: for=192.0.2.1
X-Real-IP: 192.0.2.1
Via: 1.1 inner
X-AI-Class: default
X-AI-Model: nope
X-AI-Anything: x
--- arrived
!X-Forwarded-For
!X-Forwarded-Host
!X-Forwarded-Proto
!X-Forwarded-Port
!X-Forwarded-Anything
!Forwarded
!X-Real-IP
!Via
!X-AI-Class
!X-AI-Model
!X-AI-Anything



=== TEST 5: names that only begin or end alike go on
--- more_headers
X-Forwarded: 1
X-AI: 1
X-AIx-Model: 1
Cookies: 1
X-Authorization: 1
Te-X: 1
--- arrived
X-Forwarded: 1
X-AI: 1
X-AIx-Model: 1
Cookies: 1
X-Authorization: 1
Te-X: 1



=== TEST 6: hop-by-hop headers stay here
--- more_headers
Keep-Alive: timeout=5
Proxy-Connection: keep-alive
TE: trailers
Trailer: X-T
Upgrade: websocket
HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA
Accept-Encoding: gzip, br
--- arrived
!Keep-Alive
!Proxy-Connection
!TE
!Trailer
!Upgrade
!HTTP2-Settings
!Transfer-Encoding
Accept-Encoding: identity



=== TEST 7: and what Connection nominates
--- more_headers
Connection: close, X-Hop, x-hop-2 ,	X-HOP-3,,
X-Hop: 1
X-Hop-2: 1
x-hop-3: 1
X-Hop-4: stays
X-Ho: stays
--- arrived
!X-Hop
!X-Hop-2
!X-Hop-3
X-Hop-4: stays
X-Ho: stays



=== TEST 8: in every Connection header
--- more_headers
Connection: close
Connection: X-Hop
Connection: X-Hop-2
X-Hop: 1
X-Hop-2: 1
--- arrived
!X-Hop
!X-Hop-2



=== TEST 9: nominating what the gateway sets itself changes nothing
--- more_headers
Connection: close, Host, Content-Length, X-Request-ID, Accept-Encoding
X-Request-ID: id-1
--- arrived
Host: a.test
Content-Length: 13
X-Request-ID: id-1
Accept-Encoding: identity



=== TEST 10: other headers go on, with their values as they are
--- more_headers eval
"OpenAI-Beta: assistants=v2\nanthropic-version: 2023-06-01
anthropic-beta: a,b\nIdempotency-Key: k-1\nX-Stainless-Lang: js
HTTP-Referer: https://app.test/\nX-Title: caf\xe9
X-Empty:\nX-Long: " . 'x' x 3000
--- arrived eval
"OpenAI-Beta: assistants=v2\nanthropic-version: 2023-06-01
anthropic-beta: a,b\nIdempotency-Key: k-1\nX-Stainless-Lang: js
HTTP-Referer: https://app.test/
X-Empty: \nX-Long: " . 'x' x 3000



=== TEST 11: one given twice goes on twice
--- more_headers
X-Twice: 1
X-Twice: 2
--- then
my $last = $json->decode(provider_get('a', '/__last'));
is_deeply([map { $_->[1] } grep { $_->[0] eq 'X-Twice' }
           @{ $last->{headers} }], [1, 2], 'both, in order');



=== TEST 12: many headers
--- more_headers eval: CORE::join "\n", map { "X-H$_: v$_" } 1 .. 60
--- arrived eval: CORE::join "\n", map { "X-H$_: v$_" } 1 .. 60



=== TEST 13: the request id goes on
--- more_headers
X-Request-ID: abc.DEF_0-9
--- arrived
X-Request-ID: abc.DEF_0-9
--- response_headers
X-Request-ID: abc.DEF_0-9



=== TEST 14: an insane one does not
--- more_headers
X-Request-ID: a b"c
--- then
my $last = $json->decode(provider_get('a', '/__last'));
my ($id) = map { $_->[1] } grep { lc $_->[0] eq 'x-request-id' }
           @{ $last->{headers} };
like($id, qr/^[0-9a-f]{32}\z/, 'ours arrived');



=== TEST 15: Host, prefix, path and query
--- request
POST /v1/chat/completions?api-version=2024-10-21&x=%20%2f+&mykey=a?b&k&&key
{"model":"m"}
--- arrived
Host: a.test
--- uri
/v1/chat/completions?api-version=2024-10-21&x=%20%2f+&mykey=a?b&k&&key



=== TEST 16: a credential in the query stays here too
--- request
POST /v1/chat/completions?key=sk-client&x=1&KEY=sk-client&y=2&key=
{"model":"m"}
--- uri
/v1/chat/completions?x=1&y=2



=== TEST 17: and with it the question mark
--- request
POST /v1/chat/completions?key=sk-client
{"model":"m"}
--- uri
/v1/chat/completions



=== TEST 18: Host with a port, a target of another path
--- http_config
ai_breaker failures=0 rate=100;
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=vllm base=http://B.test:8080/x/y/; }
ai_route m { target b; }
--- at: b
--- arrived
Host: B.test:8080
--- uri
/x/y/chat/completions



=== TEST 19: base without a path
--- http_config
ai_breaker failures=0 rate=100;
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=vllm base=http://b.test; }
ai_route m { target b; }
--- at: b
--- arrived
Host: b.test
--- uri
/chat/completions



=== TEST 20: a location with a deeper prefix
--- config
location /teams/search/v1/ { ai_pass; }
--- request
POST /teams/search/v1/embeddings
{"model":"m","input":"x"}
--- uri
/v1/embeddings



=== TEST 21: an escaped, doubled or dotted path arrives as the plain one
--- request
POST /v1/./x/..//chat%2fcompletions
{"model":"m"}
--- uri
/v1/chat/completions



=== TEST 22: no query, an empty query
--- request
POST /v1/chat/completions?
{"model":"m"}
--- uri
/v1/chat/completions



=== TEST 23: the credential is sent as the provider wants it
--- http_config eval: $main::kinds
--- json: {"model":"openai"}
--- more_headers
Authorization: Bearer sk-client
X-Api-Key: sk-client
api-key: sk-client
x-goog-api-key: sk-client
--- then
my %want = (azure => 'api-key', anthropic => 'x-api-key',
            gemini => 'x-goog-api-key');

for my $kind (@kinds) {
    my ($name, undef, $path) = @$kind;
    my $out = curl('h1', '-d', "{\"model\":\"$name\"}", '-H',
                   'Authorization: Bearer sk-client', '-H',
                   'x-api-key: sk-client', '-H', 'api-key: sk-client', '-H',
                   'x-goog-api-key: sk-client');
    my $in = $want{$name} || 'Authorization';
    my $value = ($want{$name} ? '' : 'Bearer ') . $ENV{AI_TEST_SECRET};

    like($out, qr{^HTTP/1.1 200 }, "$name - status");
    unlike($out, qr/sk-ours/, "$name - the key does not come back");
    arrived($name, 'a', "$in: $value\nHost: $name.test\n" . join('',
            map { "!$_\n" } grep { $_ ne $in } 'Authorization', 'x-api-key',
            'api-key', 'x-goog-api-key'), "$path/chat/completions");
    unlike(provider_get('a', '/__last'), qr/sk-client/,
           "$name - nothing of the client's");
}



=== TEST 24: each target of a route has its own credential and Host
--- http_config
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=anthropic base=http://a.test/v1 key=env:AI_TEST_SECRET; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=vllm base=http://b.test/p; }
ai_route m { target a; target b tier=2 model=n; }
--- more_headers
X-Sim: ok
Authorization: Bearer sk-client
X-Request-ID: id-1
--- then
provider_fault('a', 'status=503');
my $out = curl('h1', '-d', '{"model":"m"}', '-H', 'Authorization: Bearer x',
               '-H', 'X-Request-ID: id-2', '-H', 'X-Custom: 1');
like($out, qr{^HTTP/1.1 200 }, 'failover');
arrived('first', 'a', "Host: a.test\nx-api-key: $ENV{AI_TEST_SECRET}\n"
        . "!Authorization\nX-Request-ID: id-2\nX-Custom: 1",
        '/v1/chat/completions');
arrived('second', 'b', "Host: b.test\n!Authorization\n!x-api-key\n"
        . "X-Request-ID: id-2\nX-Custom: 1", '/p/chat/completions');
unlike(provider_get('b', '/__last'), qr/sk-ours/,
       'the other account\'s key stays away');



=== TEST 25: Host and SNI of a TLS account
--- http_config
ai_breaker failures=0 rate=100;
upstream s { server 127.0.0.1:$TEST_NGINX_PROVIDER_S;
    ai_account provider=openai base=https://localhost:8443/v1
               trusted=$TEST_NGINX_CA key=env:AI_TEST_SECRET; }
ai_route m { target s; }
--- at: s
--- arrived eval
"Host: localhost:8443\nAuthorization: Bearer $ENV{AI_TEST_SECRET}"
--- uri
/v1/chat/completions
--- then
is($json->decode(provider_get('s', '/__last'))->{tls_sni}, 'localhost', 'SNI');



=== TEST 26: the gateway's headers
--- more_headers
X-Request-ID: id-1
--- response_headers
X-Request-ID: id-1
X-AI-Model: m
X-AI-Account: a
X-AI-Attempts: 1
X-AI-Fallback: none
X-AI-Trail:



=== TEST 27: the model is the one sent upstream
--- json: {"model":"named"}
--- response_headers
X-AI-Model: other
X-AI-Account: a
X-AI-Attempts: 1
X-AI-Fallback: none



=== TEST 28: after a failover to another provider
--- json: {"model":"two"}
--- response_headers
X-AI-Model: second
X-AI-Account: b
X-AI-Attempts: 2
X-AI-Fallback: provider



=== TEST 29: to another account
--- json: {"model":"same"}
--- response_headers
X-AI-Model: y
X-AI-Account: a
X-AI-Attempts: 2
X-AI-Fallback: account



=== TEST 30: on a stream too
--- json: {"model":"two","stream":true}
--- response_headers
Content-Type: text/event-stream; charset=utf-8
X-AI-Model: second
X-AI-Account: b
X-AI-Attempts: 2
X-AI-Fallback: provider



=== TEST 31: on a provider's own error too
--- more_headers
X-Sim: 400
X-Request-ID: id-1
--- error_code: 400
--- response_headers
X-Request-ID: id-1
X-AI-Model: m
X-AI-Account: a
X-AI-Attempts: 1



=== TEST 32: on an error after all failed
--- json: {"model":"same"}
--- more_headers
X-Sim: 503
X-Request-ID: id-1
--- error_code_like: ^50[23]$
--- response_headers
Content-Type: application/json
X-Request-ID: id-1
X-AI-Model: y
X-AI-Account: a



=== TEST 33: not on a refusal, which had no attempt
--- json: {"model":"unknown"}
--- error_code: 404
--- response_headers
X-AI-Model:
X-AI-Account:
X-AI-Attempts:
X-AI-Fallback:



=== TEST 34: the simulated provider's private headers do not come back
--- more_headers
X-Request-ID: id-1
--- response_headers
openai-organization:
x-ratelimit-remaining-requests:
Set-Cookie:
X-Request-ID: id-1
openai-version: 2020-10-01
--- raw_response_headers_unlike: cloudflare|req_sim



=== TEST 35: nor on its errors
--- more_headers
X-Request-ID: id-1
X-Sim: status=400,ratelimit=1/2/3s,retry_after=7
--- error_code: 400
--- response_headers
openai-organization:
x-ratelimit-remaining-requests:
x-ratelimit-limit-requests:
x-ratelimit-reset-requests:
Set-Cookie:
X-Request-ID: id-1
--- raw_response_headers_unlike: cloudflare|req_sim



=== TEST 36: what no client gets, from any provider
--- json: {"model":"raw"}
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r
Server: secret\r\nSet-Cookie: a=secret\r\nset-cookie: b=secret\r
Set-Cookie2: c=secret\r\nOpenAI-Organization: secret\r\nOPENAI-PROJECT: secret\r
x-request-id: secret\r\nrequest-id: secret\r\napim-request-id: secret\r
x-amzn-RequestId: secret\r\nx-kong-request-id: secret\r\ncf-ray: secret\r
x-ratelimit-limit-tokens: secret\r\nX-RateLimit-Remaining: secret\r
x-ratelimit-limit-req-minute: secret\r
anthropic-ratelimit-requests-limit: secret\r
anthropic-organization-id: secret\r\nratelimit: secret\r
ratelimit-policy: secret\r\nAlt-Svc: secret\r
Strict-Transport-Security: secret\r\nX-Accel-Redirect: /secret\r
X-Accel-Buffering: yes-secret\r\nX-Accel-Limit-Rate: 1\r
X-AI-Account: secret\r\nX-AI-Trail: secret\r\nX-AI-Model: secret\r
X-AI-Anything: secret\r\nx-should-retry: secret\r\nVia: secret\r\n\r\n{}"
--- response_headers
X-AI-Account: raw
X-AI-Model: raw
Set-Cookie:
x-ratelimit-limit-tokens:
--- raw_response_headers_unlike: secret|Limit-Rate
--- response_body: {}



=== TEST 37: what a client does get, as it was
--- json: {"model":"raw"}
--- reply eval
"HTTP/1.1 200 Fine\r\nContent-Type: application/json; charset=utf-8\r
Content-Length: 2\r\nopenai-processing-ms: 12\r\nopenai-version: 2020\r
Retry-After: 3\r\nX-Custom: a, b\r\nCache-Control: no-store\r
Vary: Origin\r\nETag: \"x\"\r\nX-Twice: 1\r\nX-Twice: 2\r\nLocation: /x\r
X-RateLimits: 1\r\nContent-Language: fr\r\nLink: <x>\r\n\r\n{}"
--- response_headers
Content-Type: application/json; charset=utf-8
openai-processing-ms: 12
openai-version: 2020
X-Custom: a, b
Cache-Control: no-store
Vary: Origin
X-Twice: 1, 2
X-RateLimits: 1
Content-Language: fr
Link: <x>
--- response_body: {}



=== TEST 38: hop-by-hop headers of the provider
--- json: {"model":"raw"}
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r
Connection: close, X-Hop\r\nKeep-Alive: timeout=5\r\nUpgrade: h2,h2c\r
Proxy-Connection: close\r\nProxy-Authenticate: Basic\r\nTrailer: X-T\r
TE: trailers\r\nX-Hop: 1\r\n\r\n{}"
--- response_headers
Upgrade:
Keep-Alive:
Proxy-Connection:
Proxy-Authenticate:
Trailer:
TE:
X-Hop:
--- response_body: {}



=== TEST 39: in HTTP/2 one of them would make the whole answer malformed
--- http_config eval
$main::simple . <<'END'
server {
    listen 127.0.0.1:$TEST_NGINX_H2_PORT http2;
    location /v1/ { ai_pass; }
}
END
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r
Upgrade: h2,h2c\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n\r\n{}"
--- then
like(curl('h2', '-d', '{"model":"raw"}'), qr{^HTTP/2 200 .*\{\}\z}s,
     'curl takes it');



=== TEST 40: the gateway's word about compression reaches nginx's own gzip
--- config
location /v1/ { gzip on; gzip_types application/json; gzip_min_length 1; ai_pass; }
--- more_headers
Accept-Encoding: gzip
--- response_headers
Content-Encoding: gzip
X-AI-Account: a
--- arrived
Accept-Encoding: identity



=== TEST 41: a provider that compresses nevertheless is passed on
--- json: {"model":"raw"}
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r
Content-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
--- response_headers
Content-Encoding: gzip
--- response_body eval: "\x1f\x8b\x08\x00"



=== TEST 42: a provider's header with a line that goes on or has no name
--- json: {"model":"raw"}
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n: x\r\n\r\n{}"
--- error_code: 502
--- response_headers
Content-Type: application/json
