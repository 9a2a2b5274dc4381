# Copyright (C) nginx-ai-route contributors

# Locations with ai_meter: how requests end, what is known of the request, and
# of the upstream, prices and variables.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIOwn;
use AIWorkers;

use Time::HiRes qw(sleep);

$ENV{TEST_NGINX_H2} = free_port();

my $http = <<'END';
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_zone ai 1m;
ai_price gpt-x-2024 input=1 output=2;
ai_price own        input=10 output=20;
proxy_http_version 1.1;
proxy_read_timeout 700ms;
log_format m '$ai_request_id|$ai_key_id|$ai_class|$ai_model|$ai_route|'
             '$ai_account|$ai_served_model|$ai_attempts|$ai_outcome|'
             '$ai_error_class|$ai_input_tokens|$ai_output_tokens|$ai_cost_usd|'
             '$ai_queue_ms|$status';
access_log $TEST_NGINX_TMP/m.log m;
END

my $accounts = <<'END';
upstream own { server 127.0.0.1:$TEST_NGINX_OWN; }
upstream two { server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
               server 127.0.0.1:$TEST_NGINX_OWN backup; }
upstream dead { server 127.0.0.1:$TEST_NGINX_DEAD_PORT; }
upstream acc { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=anthropic base=http://own/v1 owner=ml;
    ai_price other input=5 output=5; }
ai_route own { target acc; }
END

my $config = <<'END';
listen 127.0.0.1:$TEST_NGINX_H2 http2;
ai_meter on;
location /m/     { proxy_pass http://own/; }
location /acc/   { proxy_pass http://acc/; }
location /nobuf/ { proxy_pass http://own/; proxy_buffering off; }
location /host/  { proxy_pass http://127.0.0.1:$TEST_NGINX_OWN/; }
location /var/   { set $up own; proxy_pass http://$up/x; }
location /addr/  { set $up 127.0.0.1:$TEST_NGINX_OWN; proxy_pass http://$up/x; }
location /two/   { proxy_pass http://two/; }
location /dead/  { proxy_pass http://dead/; }
location /page/  { proxy_pass http://dead/; error_page 502 /sorry; }
location /named/ { proxy_pass http://dead/; error_page 502 = @other; }
location @other  { proxy_pass http://own; }
location /sorry  { ai_meter off; return 200 "sorry\n"; }
location /hop/   { proxy_pass http://own/; proxy_request_buffering off; }
location /disk/  { proxy_pass http://own/; client_body_buffer_size 1k; }
location /id/    { proxy_pass http://own/; add_header X-Id $ai_request_id;
                   proxy_set_header X-Request-ID $ai_request_id;
                   proxy_set_header X-Model $ai_model; }
location /sub/   { ssi on; ssi_types *; proxy_pass http://own/; }
location /once/  { proxy_pass http://own/; limit_except GET POST { deny all; } }
location /keep/  { proxy_pass http://own/; proxy_ignore_client_abort on; }
location /up/    { proxy_pass http://own/; proxy_set_header Upgrade x;
                   proxy_set_header Connection upgrade; }
END

my $JSON = 'application/json';
my $STREAM = '"stream":true,';

my $chat = '{"id":"x","model":"gpt-x-2024","choices":[{"message":{"content":'
         . '"hello"}}],"usage":{"prompt_tokens":11,"completion_tokens":7}}';

sub chunk { 'data: {"model":"gpt-x-2024","choices":[{"index":0,"delta":{'
            . "\"content\":\"$_[0]\"}}]}\n\n" }

sub has {
    my ($r, $what, %want) = @_;
    my @rec = records($r, 1);

    is(scalar @rec, 1, "$what: one record");
    is($rec[0]{$_}, $want{$_}, "$what: $_") for sort keys %want;
    return $rec[0];
}

sub none {
    my ($r, $what) = @_;

    sleep 0.1;
    is(scalar(records($r, 0)), 0, "$what: no record");
}

sub answers_with { my $text = shift; own(sub { pieces($_[0], $text, 4096) }) }

sub status_of {
    my ($status, $body) = @_;

    return "HTTP/1.1 $status X\r\nContent-Type: application/json\r\n"
         . "Connection: close\r\nContent-Length: " . length($body)
         . "\r\n\r\n$body";
}

# as $what => fields of the request's line in the access log
sub logged {
    my $r = shift;
    my $path = tmp_dir() . '/m.log';
    my $line = wait_for(3, sub {
        slurp($path) =~ /^\Q$r->{id}\E\|(.*)$/m ? "$1" : ''
    });

    return $line;
}

check_blocks(http => $http, accounts => $accounts, config => $config,
             perl => sub { eval shift });

no_long_string();
run_tests();

__DATA__

=== TEST 1: errors of the provider, and of ours
--- check
my %class = (400 => 'invalid_request', 401 => 'auth', 429 => 'rate_limit',
             500 => 'server_error', 503 => 'overloaded');

for my $status (sort keys %class) {
    answers_with(status_of($status, '{"error":{"message":"no"},"usage":'
                                    . '{"prompt_tokens":3}}'));
    my $r = ask_own(path => '/m/v1/chat/completions');
    is($r->{status}, $status, "$status: passes");
    has($r, $status, status => $status, outcome => 'error', attempts => 1,
        error_class => $class{$status}, usage_source => 'none',
        ttft_ms => undef, model_requested => 'own', input_tokens => undef);
}

my $r = ask_own(path => '/dead/v1/chat/completions');
is($r->{status}, 502, 'dead: 502');
has($r, 'dead', status => 502, outcome => 'error', error_class => 'connect',
    account => 'dead', attempts => 1, model_requested => 'own',
    usage_source => 'none');

own(sub { });
$r = ask_own(path => '/m/v1/chat/completions');
has($r, 'reset', status => 502, outcome => 'error', error_class => 'reset');

own(sub { sleep 3 });
$r = ask_own(path => '/m/v1/chat/completions');
has($r, 'silence', status => 504, outcome => 'error',
    error_class => 'timeout');

=== TEST 2: several servers, one upstream
--- check
answers_with(http($JSON, $chat));
my $r = ask_own(path => '/two/v1/chat/completions');
is($r->{status}, 200, 'served');
has($r, 'two', attempts => 2, account => 'two', outcome => 'ok',
    input_tokens => 11);

=== TEST 3: an answer that breaks
--- check
for my $in (qw(m nobuf)) {
    (my $half = http($JSON, $chat)) =~ s/completion_tokens.*//s;
    answers_with($half);
    my $r = ask_own(path => "/$in/v1/chat/completions");
    is($r->{complete}, 0, "$in: broken");
    has($r, "$in, an answer", outcome => 'cut', status => 200,
        error_class => 'server_error', usage_source => 'estimated',
        output_tokens => 2, model_served => 'gpt-x-2024');

    my $stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
               . "Transfer-Encoding: chunked\r\n\r\n"
               . sprintf("%x\r\n%s\r\n", length chunk('one'), chunk('one'));
    answers_with($stream);
    $r = ask_own(path => "/$in/v1/chat/completions", more => $STREAM);
    has($r, "$in, a stream", outcome => 'cut', usage_source => 'estimated',
        output_tokens => 1, stream => 1);

    # whole for HTTP, but not for its reader
    answers_with(sse(chunk('one') . chunk('two')));
    $r = ask_own(path => "/$in/v1/chat/completions", more => $STREAM);
    is($r->{complete}, 1, "$in: an end");
    has($r, "$in, no finish", outcome => 'cut', usage_source => 'estimated',
        output_tokens => 2);

    own(sub { pieces($_[0], sse(chunk('one')), 4096); sleep 2 });
    $r = ask_own(path => "/$in/v1/chat/completions", more => $STREAM);
    # nginx's buffers have kept it
    has($r, "$in, silence", outcome => 'cut',
        output_tokens => $in eq 'm' ? undef : 1);

    answers_with(sse(chunk('one') . "data: {\"error\":{\"message\":\"no\","
                     . "\"type\":\"server_error\"}}\n\n"));
    $r = ask_own(path => "/$in/v1/chat/completions", more => $STREAM);
    has($r, "$in, an error event", outcome => 'error', output_tokens => 1,
        error_class => 'server_error', usage_source => 'estimated');
}

=== TEST 4: a client that leaves
--- check
for my $in (qw(m nobuf keep)) {
    own(sub {
        pieces($_[0], sse(chunk('x' x 40) x 100), 4096);
        sleep 0.4;
        pieces($_[0], chunk('y' x 40) x 2000, 4096);
    });
    my $q = open_own(path => "/$in/v1/chat/completions", more => $STREAM);
    sysread $q->{socket}, my $some, 1000;
    close $q->{socket};
    my $rec = has($q, "$in, on the way", outcome => 'client_gone',
                  status => 200, error_class => 'client_closed', stream => 1,
                  usage_source => 'estimated', model_served => 'gpt-x-2024');
    cmp_ok($rec->{output_tokens}, '>=', 300, "$in: what had come");
}

own(sub { sleep 0.4 });
my $q = open_own(path => '/m/v1/chat/completions');
sleep 0.1;
close $q->{socket};
has($q, 'before the answer', outcome => 'client_gone', status => 499,
    attempts => 1, usage_source => 'none', model_requested => 'own');

$q = open_own(path => '/m/v1/chat/completions',
              head => "Content-Length: 5000\r\n");
sleep 0.1;
close $q->{socket};
has($q, 'before its own end', outcome => 'client_gone', status => 499,
    attempts => 0, usage_source => 'none');

=== TEST 5: over HTTP/2
--- check
answers_with(http($JSON, $chat));
my $r = ask_own(path => '/m/v1/chat/completions', version => 2);
is("$r->{status} $r->{body}", "200 $chat", 'served');
has($r, 'h2', outcome => 'ok', input_tokens => 11, model_requested => 'own');

own(sub { pieces($_[0], sse(chunk('x' x 40) x 500), 4096); sleep 5 });
$r = ask_own(path => '/nobuf/v1/chat/completions', version => 2,
             more => $STREAM, max => 0.4);
my $rec = has($r, 'h2, gone', outcome => 'client_gone', status => 200,
              usage_source => 'estimated');
cmp_ok($rec->{output_tokens}, '>=', 1000, 'what had come');

=== TEST 6: without a body, or without what is in it
--- check
answers_with(http($JSON, $chat));
for my $method (qw(HEAD GET)) {
    my $r = ask(path => '/m/v1/models', method => $method, body => '');
    is($r->{status}, 200, $method);
    has($r, $method, outcome => 'ok', status => 200, endpoint => 'models',
        model_requested => undef, attempts => 1,
        usage_source => $method eq 'HEAD' ? 'none' : 'provider');
}

answers_with(http($JSON, '{"object":"list","data":[{"id":"a"}]}'));
my $r = ask(path => '/m/v1/models', method => 'GET', body => '');
has($r, 'a list', outcome => 'ok', usage_source => 'none',
    input_tokens => undef);

for my $status (204, 304) {
    answers_with("HTTP/1.1 $status X\r\nConnection: close\r\n\r\n");
    my $r = ask(path => '/m/v1/x', method => 'GET', body => '');
    is($r->{status}, $status, "status $status");
    has($r, "status $status", outcome => 'ok', status => $status,
        endpoint => undef, usage_source => 'none');
}

for my $body ('', '[1,2]', '{"choices', '"x"') {
    answers_with(http($JSON, $body));
    my $r = ask_own(path => '/m/v1/chat/completions');
    is($r->{body}, $body, "[$body]: passes");
    has($r, "[$body]", status => 200, $body =~ /^\{/
        ? (outcome => 'cut', usage_source => 'estimated')
        : (outcome => 'ok', usage_source => 'none'));
}

answers_with(http('audio/mpeg', "\x00\xff" x 50));
$r = ask_own(path => '/m/v1/audio/speech');
has($r, 'speech', outcome => 'ok', usage_source => 'none',
    endpoint => 'speech', model_requested => 'own');

own(sub { pieces($_[0], "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade"
                        . "\r\n\r\nhello", 999); sleep 0.2 });
$r = ask(path => '/up/v1/realtime', method => 'GET', body => '',
         head => "Upgrade: x\r\n");
is($r->{status}, 101, 'upgrade');
has($r, 'upgrade', outcome => 'ok', status => 101, usage_source => 'none');

=== TEST 7: the request's body, wherever it is
--- check
answers_with(http($JSON, '{"choices":[{"message":{"content":"hi"}}]}'));

my $text = 'x' x 4000;
my %body = (
    first => qq({"model":"gpt-a","stream":true,"messages":["$text"]}),
    last => qq({"messages":["$text"],"stream":true,"model":"gpt-a"}),
    odd => qq({"messages":["$text"],"model":["gpt-a"]}),
    evil => qq({"messages":["$text"],"model":"gpt\\n-a"}),
    none => qq({"messages":["$text"]}),
    raw => "--x\r\n$text",
);
my %model = (first => 'gpt-a', last => 'gpt-a');
my $deep = '"messages":["' . 'x' x 100_000 . '"]';

for my $in (qw(m disk)) {
    for my $name (sort keys %body) {
        my $r = ask(path => "/$in/v1/chat/completions", body => $body{$name});
        is($r->{status}, 200, "$in, $name");
        has($r, "$in, $name", model_requested => $model{$name},
            stream => $model{$name} ? 1 : 0, usage_source => 'estimated',
            input_tokens => int(length($body{$name}) / 4),
            output_tokens => 1);
    }
}

# of a file the first 64 KB are looked at
for my $body (qq({"model":"gpt-a",$deep}), qq({$deep,"model":"gpt-a"})) {
    my $r = ask(path => '/disk/v1/chat/completions', body => $body);
    has($r, substr($body, 0, 9), usage_source => 'estimated',
        model_requested => $body =~ /^\{"model/ ? 'gpt-a' : undef,
        input_tokens => int(length($body) / 4));
}

# sent on as it comes: nothing is kept
own(sub { pieces($_[0], http($JSON, $chat), 999) });
my $r = ask(path => '/hop/v1/chat/completions',
            body => qq({"model":"gpt-a",$deep}));
has($r, 'not kept', model_requested => undef, model_served => 'gpt-x-2024',
    input_tokens => 11);

$r = ask(path => '/m/openai/deployments/eu/chat/completions', body => '{}');
has($r, 'a deployment', model_requested => 'eu', endpoint => 'chat');

# the sum of the chunks
answers_with(http($JSON, '{"choices":[{"message":{"content":"hi"}}]}'));
my $chunked = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
              '{"model":"gp', 't-a","x":"' . 'y' x 77 . '"}', '';
$r = ask(path => '/m/v1/chat/completions', body => $chunked,
         head => "Transfer-Encoding: chunked\r\n");
has($r, 'in chunks', model_requested => 'gpt-a', input_tokens => 25);

=== TEST 8: which upstream
--- check
answers_with(http($JSON, $chat));
my $own = $ENV{TEST_NGINX_OWN};

for my $row ([host => "127.0.0.1:$own"], [var => 'own'],
             [addr => "127.0.0.1:$own"], [m => 'own'])
{
    my $r = ask_own(path => "/$row->[0]/v1/chat/completions");
    is($r->{status}, 200, $row->[0]);
    has($r, $row->[0], account => $row->[1], provider => undef,
        outcome => 'ok', input_tokens => 11);
}

my $r = ask_own(path => '/acc/v1/chat/completions');
has($r, 'acc', account => 'acc', provider => 'anthropic',
    cost_owner => 'ml', outcome => 'ok');

=== TEST 9: an error page is not the end of it
--- check
answers_with(http($JSON, $chat));

my $r = ask_own(path => '/page/v1/chat/completions');
is($r->{body}, "sorry\n", 'a page');
has($r, 'a page', account => 'dead', outcome => 'error', status => 502,
    error_class => 'connect', model_requested => 'own', attempts => 1,
    endpoint => 'chat');
like(logged($r), qr/\|own\|-\|dead\|-\|1\|error\|connect\|-\|-\|-\|-\|502$/,
     'variables there');

$r = ask_own(path => '/named/v1/chat/completions');
is($r->{body}, $chat, 'another upstream');
has($r, 'another', account => 'own', outcome => 'ok', status => 200,
    attempts => 2, input_tokens => 11);

=== TEST 10: what reaches no upstream leaves no record
--- check
none(ask(path => '/sorry', method => 'GET', body => ''), 'a page');
none(ask(path => '/up', method => 'GET', body => ''), 'nothing');
my $r = ask_own(path => '/once/v1/x', method => 'PUT');
is($r->{status}, 403, 'refused');
none($r, 'refused');

=== TEST 11: a subrequest is not counted for its own
--- check
own(sub {
    pieces($_[0], $_[1] =~ m{^\S+ /part} ? http($JSON, $chat)
                  : http('text/html', '<!--#include virtual="/m/part" -->'),
           999);
});
my $r = ask(path => '/sub/page', method => 'GET', body => '');
is($r->{body}, $chat, 'included');
my @rec = records($r, 1);
is(scalar @rec, 1, 'one record');
is($rec[0]{usage_source}, 'none', 'of the page');

=== TEST 12: prices by the name that answered, then by that asked for
--- check
sub cost {
    my ($in, $served, $asked) = @_;

    answers_with(http($JSON, '{"model":"' . $served . '","usage":'
                      . '{"prompt_tokens":1000,"completion_tokens":10}}'));
    return (records(ask_own(path => "/$in/v1/x", model => $asked), 1))[0]
           {cost_nanousd};
}

is(cost('m', 'gpt-x-2024', 'own'), 1_020_000, 'the name that answered');
is(cost('m', 'unknown', 'own'), 10_200_000, 'the name asked for');
is(cost('m', 'unknown', 'unknown'), undef, 'none');
is(cost('acc', 'gpt-x-2024', 'other'), 5_050_000, "the upstream's own");
is(cost('m', 'gpt-x-2024', 'other'), 1_020_000, "not another's");
is(log_is('ai price of model "unknown" at account "own" is not known'), 1,
   'said');

sub log_is {
    my $text = shift;

    return scalar(() = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log")
                       =~ /\Q$text\E/g);
}

=== TEST 13: variables
--- check
answers_with(http($JSON, $chat));
my $r = ask_own(path => '/m/v1/chat/completions');
is(logged($r), 'anonymous|-|own|-|own|gpt-x-2024|1|ok|-|11|7|0.000025|-|200',
   'a good one');

$r = ask_own(path => '/id/v1/chat/completions', model => 'gpt-4o');
is($r->{h}{'x-id'}, $r->{id}, 'the id in a header');
like(last_request(), qr/^X-Request-ID: $r->{id}\r$/m, 'the id upstream');
like(last_request(), qr/^X-Model: gpt-4o\r$/m, 'the model upstream');

$r = ask_own(path => '/sorry', method => 'GET');
like(slurp(tmp_dir() . '/m.log'), qr/^(?:-\|){14}200$/m,
     'nothing where nothing is metered');

=== TEST 14: after a reload
--- check
answers_with(http($JSON, $chat));
has(ask_own(path => '/m/v1/x'), 'before', input_tokens => 11);
reload();
has(ask_own(path => '/m/v1/x'), 'after', input_tokens => 11);
