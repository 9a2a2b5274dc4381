# Copyright (C) nginx-ai-route contributors

# What clients get wrong: every refusal is a 4xx in the client's dialect with
# the request's id, and nothing of a refused request goes upstream.
#
# A block's "json" is the body of a POST to /v1/chat/completions.  "refused"
# is "STATUS CODE PARAM MESSAGE" ("-": no param; MESSAGE is a piece of it);
# with several requests it holds for each.  A block without it is answered
# 200 by the provider.  "then" is Perl, run while nginx is up.

use lib 't/lib';
use AIRoute providers => ['a'];
use Test::Nginx::Socket 'no_plan';

use IO::Socket::INET ();
use JSON::PP ();

my $json = JSON::PP->new->utf8;
my $served = 0;

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('http_config', <<'END') unless defined $block->http_config;
ai_breaker failures=0 rate=100;
upstream a {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a.test/v1;
}
ai_route gpt-4o { target a; }
END
    $block->set_value('config', "location /v1/ { ai_pass; }\n")
        unless defined $block->config;

    $block->set_value('more_headers', "X-Request-ID: t.$$-_9")
        unless defined $block->more_headers;

    if (defined $block->json) {
        my $body = $block->json;
        my $headers = $block->more_headers;

        $body =~ s/\n\z// unless ref $body;
        $body = [$body] unless ref $body;
        $headers = [($headers) x @$body] unless ref $headers;

        # the harness would trim the blanks from a body whose length it counts
        $block->set_value('more_headers',
            [map { "$headers->[$_]\nContent-Length: " . length $body->[$_] }
                 0 .. $#$body]);
        $block->set_value('request',
            [map { "POST /v1/chat/completions\n$_" } @$body]);
    }

    return unless defined $block->request;

    my $n = ref $block->request ? @{ $block->request } : 1;
    my $all = sub { $n > 1 ? [($_[0]) x $n] : $_[0] };

    $served = counter();

    if (defined $block->refused) {
        my ($status) = $block->refused =~ /^(\d+)/;

        $block->set_value('error_code', $all->($status));
        $block->set_value('response_headers',
                          $all->("Content-Type: application/json\n"
                                 . "X-Request-ID: t.$$-_9\n"
                                 . ($status == 405 ? "Allow: POST\n" : '')))
            unless defined $block->response_headers;

    } elsif (!defined $block->response_body_like
             && !defined $block->error_code && !defined $block->then)
    {
        $block->set_value('response_body_like', $all->('"usage"'));
    }
});

# requests that reached the provider

sub counter { return $json->decode(provider_get('a', '/__stats'))->{requests} }

add_response_body_check(sub {
    my ($block, $body, $i) = @_;
    my $name = $block->name;

    if (defined $block->refused) {
        my ($status, $code, $param, $message) =
            split ' ', $block->refused, 4;
        chomp $message;

        refusal("$name, request $i", $body, "t.$$-_9", $code, $param,
                $message);
        is(counter(), $served, "$name, request $i - nothing went upstream");
    }

    if (defined $block->then) {
        eval $block->then;
        fail("$name - then: $@") if $@;
    }
});


sub refusal {
    my ($name, $body, $id, $code, $param, $message) = @_;
    my $error = eval { $json->decode($body) };

    if (!defined $error) {
        fail("$name - body is JSON: $body");
        return;
    }

    like($error->{error}{message}, qr/\Q$message\E/, "$name - message");
    is($error->{error}{type}, 'invalid_request_error', "$name - type");
    is($error->{error}{code}, $code, "$name - code");
    is($error->{error}{param}, $param eq '-' ? undef : $param,
       "$name - param");
    is($error->{request_id}, $id, "$name - request_id");
}


# One raw request on a connection of its own, until nginx closes it: status,
# headers (names in lower case, each a list), body as sent.

sub ask {
    my ($raw, $wait) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $ENV{TEST_NGINX_SERVER_PORT})
        or die "cannot connect: $!\n";
    my $all = '';

    for my $piece (ref $raw ? @$raw : $raw) {
        print $s $piece;
        $s->flush;
        select undef, undef, undef, $wait if $wait;
    }

    local $SIG{ALRM} = sub { die "no answer in 10 s\n" };
    alarm 10;
    1 while sysread $s, $all, 65536, length $all;
    alarm 0;

    my ($head, $body) = split /\r\n\r\n/, $all, 2;
    my ($first, @lines) = split /\r\n/, defined $head ? $head : '';
    my %h;

    for (@lines) {
        my ($k, $v) = split /: */, $_, 2;
        push @{ $h{lc $k} }, $v;
    }

    return { status => defined $first ? (split ' ', $first)[1] : undef,
             headers => \%h, body => $body, raw => $all };
}

sub post {
    my ($body, @headers) = @_;

    return ask(join "\r\n", 'POST /v1/chat/completions HTTP/1.1', 'Host: x',
               'Connection: close', 'Content-Length: ' . length $body,
               @headers, '', $body);
}

our $ok = '{"model":"gpt-4o","messages":[]}';

# ids are made by each worker
workers(3);
no_long_string();
run_tests();

__DATA__

=== TEST 1: a good request
--- json
{"model":"gpt-4o","messages":[]}



=== TEST 2: no body
--- request
POST /v1/chat/completions
--- refused: 400 invalid_request_error - the request body is empty



=== TEST 3: empty body
--- raw_request eval
"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r
X-Request-ID: t.$$-_9\r\nConnection: close\r\n\r\n"
--- request
POST /v1/chat/completions
--- refused: 400 invalid_request_error - the request body is empty



=== TEST 4: a body of blanks
--- json eval: " \r\n\t "
--- refused: 400 invalid_request_error - the request body is empty



=== TEST 5: not JSON
--- json eval
['hello', '<xml/>', "\xef\xbb\xbf" . $main::ok, "{'model':'gpt-4o'}",
 '{model:"gpt-4o"}', '{"model":"gpt-4o",}', '{"model":"gpt-4o";"a":1}',
 '{"model":"gpt-4o" "a":1}', '{"model" "gpt-4o"}', '{"model":gpt-4o}',
 '{"a":01,"model":"gpt-4o"}', '{"a":+1,"model":"gpt-4o"}',
 '{"a":.5,"model":"gpt-4o"}', '{"a":1.,"model":"gpt-4o"}',
 '{"a":1e,"model":"gpt-4o"}', '{"a":NaN,"model":"gpt-4o"}',
 '{"a":tru,"model":"gpt-4o"}', '{"a":True,"model":"gpt-4o"}',
 '{"a":[1,],"model":"gpt-4o"}', '{"a":[1}],"model":"gpt-4o"}',
 '{"a":{"b":1],"model":"gpt-4o"}', '{"a":"\x41","model":"gpt-4o"}',
 '{"a":"\u12g4","model":"gpt-4o"}', "{\0}", "\0", "\0" . $main::ok,
 '{"model":"gpt-4o"/**/}', '}', ',', ':']
--- refused: 400 invalid_request_error - syntax error, at byte



=== TEST 6: the message tells where
--- json: {"model":"gpt-4o","a":bad}
--- refused: 400 invalid_request_error - syntax error, at byte 22



=== TEST 7: JSON, but no object
--- json eval
['[]', 'null', 'true', '42', '-1', '"gpt-4o"', "[$main::ok]"]
--- refused: 400 invalid_request_error - top-level value is not an object



=== TEST 8: truncated anywhere
--- json eval
my $s = '{"model":"gpt-4o","n":[-1.5e+3,true,{"a\u00e9":null}],"s":"\n"}';
[map { substr $s, 0, $_ } 1 .. length($s) - 1]
--- refused: 400 invalid_request_error - document ends too early



=== TEST 9: no model
--- json eval
['{}', '{"messages":[]}', '{"a":{"model":"gpt-4o"}}',
 '{"a":[{"model":"gpt-4o"}]}', '{"node_":"gpt-4o"}', '{"model ":"gpt-4o"}',
 '{"a":"\"model\":\"gpt-4o\""}', '{"":"gpt-4o"}', '{"mode":"gpt-4o"}',
 '{"modell":"gpt-4o"}', '{"' . 'm' x 5000 . '":"gpt-4o"}']
--- refused: 400 invalid_request_error model the request names no model



=== TEST 10: model of the wrong type
--- json eval
[map { "{\"model\":$_}" } 'null', '1', 'true', 'false', '{}', '[]',
 '["gpt-4o"]', '{"model":"gpt-4o"}', '-0.5e-7']
--- refused: 400 invalid_request_error model must be a string



=== TEST 11: model empty, too long, with controls or with lone surrogates
--- json eval
[map { "{\"model\":\"$_\"}" } '', 'm' x 257, 'm' x 100_000, '\u006d' x 257,
 'gpt\n', 'gpt\r\nX-Evil: 1', 'gpt\u000d\u000aX-Evil: 1', 'gpt\t4', 'gpt\b',
 'gpt\u0000', 'gpt\u007f', "gpt\x7f", 'gpt\u001b[31m', 'gpt\u009b31m',
 "gpt\xc2\x85", '\ud800', '\udc00x',
 '\ud83dx', '\ud83d\u0041', "\xc3\xa9" x 129,
 "\xff", "gpt\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xe9t\xe9"]
--- refused: 400 invalid_request_error model must be 1 to 256 bytes of UTF-8 without control characters



=== TEST 12: a line feed in the model does not split headers, whatever is routed
--- http_config
ai_breaker failures=0 rate=100;
upstream a {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a.test/v1;
}
ai_route * { target a; }
--- json eval
['{"model":"gpt\r\nX-Evil: 1"}', '{"model":"gpt\u000d\u000aX-Evil: 1"}',
 '{"model":"\nX-Evil: 1"}']
--- refused: 400 invalid_request_error model without control characters



=== TEST 13: nor does a raw one
--- http_config
ai_breaker failures=0 rate=100;
upstream a {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a.test/v1;
}
ai_route * { target a; }
--- json eval
["{\"model\":\"gpt\r\nX-Evil: 1\"}", "{\"model\":\"gpt\n\"}",
 "{\"model\":\"gpt-4o\",\"a\":\"\x01\"}", "{\"model\":\"gpt-4o\",\"\t\":1}",
 "{\"model\":\"gpt-4o\",\"a\":\"\0\"}"]
--- refused: 400 invalid_request_error - raw control character in a string



=== TEST 14: odd but printable models in a catch-all route
--- http_config
ai_breaker failures=0 rate=100;
upstream a {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a.test/v1;
}
ai_route * { target a; }
--- json eval
[map { "{\"model\":\"$_\"}" } 'm' x 256, '\u006d' x 256, 'a b', 'a\"b',
 'a\\\\b', '<script>', "\xe6\xa8\xa1", '\u6a21', '\ud83d\ude00', '..\/..\/etc',
 '%0d%0aX-Evil:1']
--- response_headers eval
[map { "X-AI-Model: $_\nX-Evil:" } 'm' x 256, 'm' x 256, 'a b', 'a"b', 'a\\b',
 '<script>', "\xe6\xa8\xa1", "\xe6\xa8\xa1", "\xf0\x9f\x98\x80", '../../etc',
 '%0d%0aX-Evil:1']



=== TEST 15: stream of the wrong type
--- json eval
[map { "{\"model\":\"gpt-4o\",\"stream\":$_}" } '1', '0', '"true"', '[]',
 '{}', '"' . 'x' x 5000 . '"']
--- refused: 400 invalid_request_error stream must be true or false



=== TEST 15b: stream_options that are no object
--- json eval
[map { "{\"model\":\"gpt-4o\",\"stream\":true,\"stream_options\":$_}" }
     '1', '"x"', '[]', 'true', 'false', '[{"include_usage":false}]']
--- refused: 400 invalid_request_error stream_options must be an object



=== TEST 15c: of which a provider's parser may think otherwise
--- json eval
[map { "{\"model\":\"gpt-4o\",\"stream\":true,\"stream_options\":$_}" }
     '{"include_usage":true,"include_usage":false}',
     '{"include\u005fusage":false}', '{"Include_Usage":false}',
     '{"include_usage":true,"x":"' . 'y' x 5000 . '","include_usage":false}']
--- refused: 400 invalid_request_error stream_options "stream_options" is not accepted



=== TEST 15d: include_usage of the wrong type
--- json eval
[map { "{\"model\":\"gpt-4o\",\"stream\":true,"
       . "\"stream_options\":{\"include_usage\":$_}}" }
     '0', '1', '"false"', '[]', '{}']
--- refused: 400 invalid_request_error stream_options must be true or false



=== TEST 16: stream null or false is no stream
--- json eval
[map { "{\"model\":\"gpt-4o\",\"stream\":$_}" } 'null', 'false']
--- response_headers eval
[('Content-Type: application/json') x 2]



=== TEST 17: top-level names that matter twice
--- json eval
['{"model":"gpt-4o","model":"gpt-4o"}', '{"model":null,"model":"gpt-4o"}',
 '{"model":"gpt-4o","stream":true,"stream":false}',
 '{"model":"gpt-4o","stream_options":{},"stream_options":{}}',
 '{"model":"gpt-4o","x":[{"model":"a"}],"model":"b"}']
--- refused: 400 invalid_request_error - duplicate name



=== TEST 17b: nor in another case, which some parsers take for the same
--- json eval
['{"model":"gpt-4o","Model":"gpt-4o"}', '{"MODEL":"gpt-4o"}',
 '{"model":"gpt-4o","Stream":true}',
 '{"model":"gpt-4o","PROVIDER":{}}', '{"model":"gpt-4o","max_Tokens":1}']
--- refused: 400 invalid_request_error - a known top-level name in another case



=== TEST 18: nested ones, and others, are the provider's business
--- json eval
['{"a":{"model":1,"model":2},"model":"gpt-4o"}',
 '{"seed":1,"model":"gpt-4o","seed":2,"a":{"MODEL":1},"modeL2":1}']



=== TEST 19: escaped top-level names
--- json eval
['{"mod\u0065l":"gpt-4o"}', '{"model":"gpt-4o","mod\u0065l":"evil"}',
 '{"model":"gpt-4o","\u006dodel":"evil"}', '{"model":"gpt-4o","a\n":1}',
 '{"model":"gpt-4o","str\u0065am":true}']
--- refused: 400 invalid_request_error - escaped characters in a top-level name



=== TEST 20: escaped nested names are nobody's trick
--- json: {"a":{"mod\u0065l":"x"},"model":"gpt-4o"}



=== TEST 21: 200 levels deep, and a million
--- json eval
my $m = '"model":"gpt-4o"';
["{$m,\"a\":" . '[' x 199 . ']' x 199 . '}',
 "{\"a\":" . '[' x 199 . ']' x 199 . ",$m}",
 '{"a":' x 199 . "{$m}" . '}' x 199,
 "{$m,\"a\":" . '[{"b":' x 100 . '1' . '}]' x 100 . '}',
 "{$m,\"a\":" . '[' x 900_000,
 '{"a":' . '[' x 200]
--- refused: 400 invalid_request_error - nested too deeply



=== TEST 22: as deep as it may be, and one more
--- json eval
my $m = '"model":"gpt-4o"';
["{$m,\"a\":" . '[' x 127 . ']' x 127 . '}',
 "{\"a\":" . '{"a":' x 126 . '{}' . '}' x 126 . ",$m}",
 "{$m,\"a\":" . '[' x 128 . ']' x 128 . '}']
--- error_code eval
[200, 200, 400]



=== TEST 23: what follows the document
--- json eval
map { [map { $main::ok . $_ } @$_] }
['x', '{}', $main::ok, "\0", '}', ']', ',', " \n x", '""', "\x1a"]
--- refused: 400 invalid_request_error - trailing characters after the document



=== TEST 24: white space may follow and lead
--- json eval
[map { s/^/ \r\n\t/r } $main::ok . "\n", $main::ok . " \r\n\t ",
 $main::ok . "\n" x 70_000]



=== TEST 25: blanks everywhere
--- json eval
"{ \"messages\"\t:\r\n[ ] , \"model\" :\n\"gpt-4o\" }"



=== TEST 26: garbage at the end of a body in a temporary file
--- config
location /v1/ { client_body_buffer_size 8k; ai_pass; }
--- json eval
my $s = '{"model":"gpt-4o","a":"' . 'x' x 300_000 . '"}';
["$s\0", "$s$s", $s . ' ' x 65_536 . 'x']
--- refused: 400 invalid_request_error - trailing characters after the document



=== TEST 27: a truncated body in a temporary file, cut around the 64 kB windows
--- config
location /v1/ { client_body_buffer_size 8k; ai_pass; }
--- json eval
my $s = '{"model":"gpt-4o","a":"' . 'x\u00e9' x 30_000 . '"}';
[map { substr $s, 0, $_ } 65_534 .. 65_538, 131_071 .. 131_073, -1]
--- refused: 400 invalid_request_error - document ends too early



=== TEST 28: a model across a window's border, in a temporary file
--- config
location /v1/ { client_body_buffer_size 8k; ai_pass; }
--- json eval
[map { '{"a":"' . 'x' x $_ . '","model":"gpt-4o"}' } 65_510 .. 65_535]



=== TEST 29: an unknown model
--- json: {"model":"gpt-5"}
--- refused: 404 model_not_found model the model "gpt-5" is not served here



=== TEST 30: an unknown model that needs quoting
--- json eval
['{"model":"a\"b\\\\c"}',
 '{"model":"</script>"}', '{"model":"' . 'm' x 256 . '"}',
 '{"model":"' . '\\"' x 256 . '"}']
--- refused: 404 model_not_found model is not served here



=== TEST 31: an unknown path
--- request eval
["POST /v1/foo\n$main::ok", "POST /v1/\n$main::ok", "POST /v1/chat\n$main::ok",
 "POST /v1/chat/completions/\n$main::ok", "POST /v1/Chat/Completions\n$main::ok",
 "POST /v1/chat/completionsx\n$main::ok", "GET /v1/modelsx", "GET /v1/",
 "DELETE /v1/filesx/1", "POST /v1/%22%0d%0aX-Evil:%201\n$main::ok",
 "POST /v1/" . 'x' x 4000 . "\n$main::ok", "POST /v1/v1/chat/completions\n{}"]
--- refused: 404 not_found - unknown path /v1/



=== TEST 32: the ways to write the path that nginx knows
--- request eval
["POST /v1/chat/completions?api-version=1\n$main::ok",
 "POST /v1//chat/completions\n$main::ok",
 "POST /v1/./chat/x/../completions\n$main::ok",
 "POST /v1/chat%2fcompletions\n$main::ok",
 "POST /v1/ch%61t/completions#x\n$main::ok"]



=== TEST 33: a location without its last slash
--- config
location /v1 { ai_pass; }
--- request eval
["POST /v1/chat/completions\n$main::ok"]



=== TEST 34: it does not take what only begins alike
--- config
location /v1 { ai_pass; }
--- request eval
["POST /v1chat/completions\n$main::ok", "POST /v1x/chat/completions\n{}",
 "POST /v1\n{}"]
--- refused: 404 not_found - this gateway serves chat/completions



=== TEST 35: a rewrite that leaves less than the location's prefix
--- config
location /v1/ { rewrite ^ /x break; ai_pass; }
--- request eval
"POST /v1/chat/completions\n$main::ok"
--- refused: 404 not_found - unknown path /x



=== TEST 36: wrong methods
--- request eval
["GET /v1/chat/completions", "PUT /v1/chat/completions\n$main::ok",
 "DELETE /v1/embeddings", "PATCH /v1/responses\n{}",
 "OPTIONS /v1/completions", "PROPFIND /v1/chat/completions",
 "FROB /v1/chat/completions\n$main::ok"]
--- refused: 405 method_not_allowed - takes POST requests, not



=== TEST 37: HEAD
--- request
HEAD /v1/chat/completions
--- error_code: 405
--- response_headers eval
"Allow: POST\nX-Request-ID: t.$$-_9\nContent-Type: application/json"
--- response_body



=== TEST 38: compressed bodies
--- request eval
["POST /v1/chat/completions\n\x1f\x8b\x08", "POST /v1/embeddings\n{}",
 "POST /v1/chat/completions\n$main::ok"]
--- more_headers eval
my $id = "\nX-Request-ID: t.$$-_9";
["Content-Encoding: gzip$id", "content-encoding: br$id",
 "Content-Encoding: zstd, gzip$id"]
--- refused: 415 unsupported_media_type - compressed request bodies are not supported



=== TEST 39: a refused request's body does not become the next request
--- pipelined_requests eval
["GET /v1/chat/completions\nPOST /v1/x HTTP/1.1\r\n\r\n",
 "POST /v1/nope\n" . 'y' x 50_000,
 "POST /v1/chat/completions\n{",
 "POST /v1/chat/completions\n" . '[' x 200_000,
 "POST /v1/chat/completions\n$main::ok"]
--- more_headers
--- request eval: [("GET /") x 5]
--- error_code eval
[405, 404, 400, 400, 200]



=== TEST 40: two lengths
--- request
GET /v1/x
--- error_code: 404
--- then
my $before = counter();
my $r = ask("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            . "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "20\r\n$main::ok\r\n0\r\n\r\n");
is($r->{status}, 400, 'Content-Length beside chunks');
$r = ask("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
         . "Content-Length: 5\r\nContent-Length: 32\r\n\r\n$main::ok");
is($r->{status}, 400, 'two Content-Lengths');
is(counter(), $before, 'nothing went upstream');



=== TEST 41: chunked bodies: byte by byte, with extensions and trailers
--- request
GET /v1/x
--- error_code: 404
--- then
my $head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
           . "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";

my $r = ask($head . join('', map { "1\r\n$_\r\n" } split //, $main::ok)
            . "0\r\n\r\n");
is($r->{status}, 200, 'byte by byte in one packet');

$r = ask($head . join('', map { "1;x=\"y\"\r\n$_\r\n" } split //, $main::ok)
         . "0\r\nX-Trailer: 1\r\n\r\n");
is($r->{status}, 200, 'extensions and a trailer');

$r = ask([split //, $head . '20' . "\r\n$main::ok\r\n0\r\n\r\n"], 0.002);
is($r->{status}, 200, 'byte by byte in packets');

$r = ask("${head}0\r\n\r\n");
is($r->{status}, 400, 'empty');
refusal('empty', $r->{body}, $r->{headers}{'x-request-id'}[0],
        'invalid_request_error', '-', 'the request body is empty');

$r = ask("${head}zz\r\n$main::ok\r\n0\r\n\r\n");
is($r->{status}, 400, 'invalid chunk');
refusal('invalid chunk', $r->{body}, $r->{headers}{'x-request-id'}[0],
        'invalid_request_error', '-', 'malformed');

$r = ask("${head}5\r\n{\"mod\r\n-1\r\n");
is($r->{status}, 400, 'negative chunk');
refusal('negative chunk', $r->{body}, $r->{headers}{'x-request-id'}[0],
        'invalid_request_error', '-', 'malformed');



=== TEST 42: a client that asks first whether to send
--- request
GET /v1/x
--- error_code: 404
--- then
my $r = post($main::ok, 'Expect: 100-continue');
like($r->{raw}, qr{^HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n},
     'both answers');



=== TEST 43: HTTP/1.0 gets no chunks
--- request
GET /v1/x
--- error_code: 404
--- then
for my $stream ('false', 'true') {
    my $body = "{\"model\":\"gpt-4o\",\"stream\":$stream}";
    my $r = ask("POST /v1/chat/completions HTTP/1.0\r\n"
                . 'Content-Length: ' . length($body) . "\r\n\r\n$body");
    is($r->{status}, 200, "stream $stream - status");
    is($r->{headers}{'transfer-encoding'}, undef, "stream $stream - no chunks");
    like($r->{body}, $stream eq 'true' ? qr/^data: .*\ndata: \[DONE\]\n\n\z/s
                                       : qr/^\{.*\}\s*\z/s,
         "stream $stream - body");
}



=== TEST 44: the model comes by header
--- json: {"messages":[]}
--- more_headers
X-AI-Model: gpt-4o
--- response_headers
X-AI-Model: gpt-4o



=== TEST 45: the body's model is the one
--- json: {"model":"gpt-4o"}
--- more_headers
X-AI-Model: gpt-5
--- response_headers
X-AI-Model: gpt-4o



=== TEST 46: a header does not mend a bad body
--- json eval
['', '[]', '{', '{}x']
--- more_headers eval
"X-AI-Model: gpt-4o\nX-Request-ID: t.$$-_9"
--- error_code eval
[400, 400, 400, 400]
--- response_body_like eval
[('"code":"invalid_request_error"') x 4]



=== TEST 47: a header that names no model
--- json eval
[('{"messages":[]}') x 4]
--- more_headers eval
my $id = "\nX-Request-ID: t.$$-_9";
["X-AI-Model:$id", 'X-AI-Model: ' . 'm' x 257 . $id, "X-AI-Model: a\tb$id",
 "X-AI-Model: \x7f$id"]
--- refused: 400 invalid_request_error model model



=== TEST 48: a header with an unknown model
--- json: {}
--- more_headers eval
"X-AI-Model: gpt\"5\nX-Request-ID: t.$$-_9"
--- refused: 404 model_not_found model the model "gpt"5" is not served here



=== TEST 49: a body larger than client_max_body_size
--- config
location /v1/ { client_max_body_size 1k; ai_pass; }
--- json eval: '{"model":"gpt-4o","a":"' . 'x' x 2000 . '"}'
--- refused: 413 request_too_large - larger than client_max_body_size



=== TEST 50: the same in chunks
--- config
location /v1/ { client_max_body_size 1k; ai_pass; }
--- request
GET /v1/x
--- error_code: 404
--- then
my $before = counter();
my $r = ask("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            . "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "20\r\n$main::ok\r\n7d0\r\n" . ' ' x 2000 . "\r\n0\r\n\r\n");
is($r->{status}, 413, 'status');
is_deeply($r->{headers}{'content-type'}, ['application/json'], 'type');
refusal('body', $r->{body}, $r->{headers}{'x-request-id'}[0],
        'request_too_large', '-', 'larger than client_max_body_size');
is(counter(), $before, 'nothing went upstream');



=== TEST 51: what nginx itself refuses inside ai_pass is JSON too
--- config
location /v1/ { deny all; ai_pass; }
--- json: {"model":"gpt-4o"}
--- error_code: 403
--- response_headers eval
"Content-Type: application/json\nX-Request-ID: t.$$-_9"
--- response_body_like eval
qr/^\{"error":\{"message":"[^"<]+","type":"invalid_request_error","param":null,"code":"\w+"\},"request_id":"t\.$$-_9"\}\z/



=== TEST 52: outside of it nothing changes
--- config
location /v1/ { ai_pass; }
location /other { deny all; }
--- request
GET /other
--- error_code: 403
--- response_headers
Content-Type: text/html
X-Request-ID:
--- response_body_like: <center><h1>403 Forbidden



=== TEST 53: the client's request id
--- request
GET /v1/x
--- error_code: 404
--- then
my %seen;

for my $id ('a', 'A-Za.z_0', 'x' x 128, '..', '-') {
    my $r = post('{}', "X-Request-ID: $id");
    is_deeply($r->{headers}{'x-request-id'}, [$id], "\"$id\" is taken");
    refusal("\"$id\"", $r->{body}, $id, 'invalid_request_error', 'model',
            'names no model');
}

for my $id ('', 'x' x 129, 'a b', 'a"b', "a\tb", 'a/b', 'a,b', "\xc3\xa9",
            'a;b', '<b>', '%0a', 'x' x 4000)
{
    my $r = post('{}', "X-Request-ID: $id");
    my $own = $r->{headers}{'x-request-id'};

    is(scalar @$own, 1, "\"$id\" - one header");
    like($own->[0], qr/^[0-9a-f]{32}\z/, "\"$id\" is not taken");
    is($seen{ $own->[0] }++, 0, "\"$id\" - a new one");
    refusal("\"$id\"", $r->{body}, $own->[0], 'invalid_request_error',
            'model', 'names no model');
}

for (1 .. 100) {
    my $r = post('{}');
    $seen{ $r->{headers}{'x-request-id'}[0] }++;
}
is(scalar keys %seen, 112, 'ids do not repeat');

my $r = post($main::ok);
like($r->{headers}{'x-request-id'}[0], qr/^[0-9a-f]{32}\z/,
     'an answer has one');
is(scalar @{ $r->{headers}{'x-request-id'} }, 1, 'and only ours');

$r = post($main::ok, 'X-Request-ID: first', 'X-Request-ID: second');
is(scalar @{ $r->{headers}{'x-request-id'} }, 1, 'one of two');



=== TEST 54: ids of several workers differ
--- request
GET /v1/x
--- error_code: 404
--- then
my %seen;
$seen{ post('{}')->{headers}{'x-request-id'}[0] }++ for 1 .. 200;
is(scalar keys %seen, 200, 'no two alike');



=== TEST 55: Anthropic's dialect
--- request eval
["POST /v1/messages\n{}", "POST /v1/messages\n{\"model\":\"nope\"}",
 "POST /v1/messages\n{\"model\":", "GET /v1/messages",
 "POST /v1/messages\n" . '{"model":"gpt-4o","a":"' . 'x' x 2000 . '"}']
--- config
location /v1/ { client_max_body_size 1k; ai_pass; }
--- error_code eval
[400, 404, 400, 405, 413]
--- response_headers eval
[("Content-Type: application/json\nX-Request-ID: t.$$-_9") x 5]
--- response_body_like eval
my $e = sub { qr/^\{"type":"error","error":\{"message":"[^<]+","type":"$_[0]"\},"request_id":"t\.$$-_9"\}\z/ };
[$e->('invalid_request_error'), $e->('not_found_error'),
 $e->('invalid_request_error'), $e->('invalid_request_error'),
 $e->('request_too_large')]



=== TEST 56: a client that leaves in the middle of its body
--- request
GET /v1/x
--- error_code: 404
--- then
my $before = counter();
for my $n (0, 1, 20, 100_000) {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $ENV{TEST_NGINX_SERVER_PORT});
    print $s "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
             . "Content-Length: 200000\r\n\r\n"
             . substr '{"model":"gpt-4o","a":"' . 'x' x 200_000, 0, $n;
    close $s;
}
is(post($main::ok)->{status}, 200, 'the next one is served');
is(counter(), $before + 1, 'and no other');



=== TEST 57: a body that does not come in time
--- config
location /v1/ { client_body_timeout 300ms; ai_pass; }
--- request
GET /v1/x
--- error_code: 404
--- then
my $before = counter();
my $r = ask("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            . "Content-Length: 200\r\n\r\n{\"model\"");
like($r->{raw}, qr{^HTTP/1.1\ 408\ .*Connection:\ close\r\n.*\r\n\r\n
                    \{"error":\{[^\n]*"code":"request_timeout".*\}\z}sx,
     'the answer says so, and the connection is closed');
is(counter(), $before, 'nothing went upstream');



=== TEST 58: multipart and form bodies are not JSON
--- json eval
["--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o\r\n--x--",
 'model=gpt-4o&messages=']
--- error_code eval
[400, 400]
--- response_body_like eval
[('"code":"invalid_request_error"') x 2]



=== TEST 59: a body that is not compressed may say so
--- request eval
"POST /v1/chat/completions\n$main::ok"
--- more_headers
Content-Encoding: Identity
--- error_code: 200
