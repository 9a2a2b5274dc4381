# Copyright (C) nginx-ai-route contributors

# Usage records on the file sink: one of kind "request" per request whatever
# became of it, one of kind "attempt" per attempt where there were several,
# the fields' names and forms, tokens, and no secret anywhere.

use lib 't/lib';
use AIRoute providers => [qw(a b)], key => [qw(sk-s3cr3t-a sk-s3cr3t-b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient qw(open_request answer answers);
use AIWorkers;

use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

$ENV{AI_TEST_KEY_A} = 'sk-s3cr3t-a';
$ENV{AI_TEST_KEY_B} = 'sk-s3cr3t-b';

my $tmp = tmp_dir();
my $STREAM = '"stream":true,';
my $ASK = '"stream_options":{"include_usage":true},';
my %file_pos;

my @FIELDS = qw(v event_id kind request_id ts_ms key_id app team env class
    endpoint stream model_requested model_served route account provider status
    outcome error_class attempt attempts fallback trail input_tokens
    output_tokens cache_read_tokens cache_write_tokens reasoning_tokens
    usage_source cost_nanousd cost_owner latency_ms ttft_ms queue_ms trace_id
    drill);
my %FIELD = map { $_ => 1 } @FIELDS;

my %OUTCOME = map { $_ => 1 } qw(ok error cut stalled client_gone rejected);
my %FALLBACK = map { $_ => 1 } qw(none retry account provider backup);
my %SOURCE = map { $_ => 1 } qw(provider estimated none);

my $http = <<'END';
ai_zone ai 1m;

# one attempt per account
ai_class default { retry_same off; max_wait off; }

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a.test/v1 key=env:AI_TEST_KEY_A
               owner=search; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=openai base=http://b.test/v1 key=env:AI_TEST_KEY_B; }
upstream dead { server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    ai_account provider=openai base=http://dead/v1; }

ai_route m     { target a; target b tier=2 model=m-b; }
ai_route alone { target a; }
ai_route gone-* { target dead; }
END

check_blocks(http => sub { 'ai_usage '
                       . ($_[0]->usage || 'file:$TEST_NGINX_TMP/usage.jsonl')
                       . ";\n$http" },
             location => 'client_max_body_size 4k;',
             # of providers and of the client
             no_error_log => [qr/sk-s3cr3t|s3cr3t=/],
             reset => [qw(a b)], before => sub { records() },
             perl => sub { eval shift });

# A new fault, met by accounts that nothing is remembered of.

sub fault {
    provider_fault(@_);
    accounts_open(qw(a b dead));
}

add_cleanup_handler(sub {
    my $all = join '', map { -f $_ ? slurp($_) : '' }
              "$tmp/usage.jsonl", "$tmp/servroot/logs/access.log";

    unlike($all, qr/s3cr3t/, 'no secret in any record or log');
    unlike($all, qr/of the prompt|word0/, 'no text in any record or log');
});

sub send_request {
    my %o = (model => 'm', head => '', more => '', @_);

    $o{body} = qq({"model":"$o{model}",$o{more}"messages":[{"role":"user",)
               . '"content":"of the prompt"}]}'
        unless defined $o{body};
    $o{head} .= "Authorization: Bearer sk-s3cr3t-client\r\n"
                . "Cookie: s3cr3t=1\r\n";
    return open_request(%o);
}

sub ask { return answer(send_request(@_)) }

# What was recorded since the last time, as hashes; with COUNT it waits until
# there are that many, and a little longer in case there are more.
sub records {
    my ($count, $path) = @_;
    my @new;

    $path ||= "$tmp/usage.jsonl";
    my $read = sub {
        my $all = slurp_lines($path);
        # what operators do stands among them
        @new = grep { $_->{kind} ne 'audit' }
               map { JSON::PP::decode_json($_) }
               split /\n/, substr $all, $file_pos{$path} || 0;
        return if @new < ($count || 0);
        $file_pos{$path} = length $all;
        return 1;
    };

    wait_for(3, $read) if $count;
    sleep 0.05;
    $file_pos{$path} = 0 unless -f $path;
    my @got = @new;
    $read->();
    return $count ? (@new > @got || !@got ? @new : @got) : @new;
}

# what every record must be like
sub is_record {
    my ($rec, $what) = @_;
    my @bad;

    push @bad, "unknown $_" for grep { !$FIELD{$_} } keys %$rec;
    for (qw(v event_id kind request_id ts_ms key_id class stream status outcome
            usage_source latency_ms drill))
    {
        push @bad, "no $_" unless defined $rec->{$_} && $rec->{$_} ne '';
    }
    for (grep { /_(?:ms|tokens)$|^(?:v|stream|status|attempts?|drill)$/ }
         keys %$rec)
    {
        push @bad, "$_ is $rec->{$_}" unless $rec->{$_} =~ /^\d+$/;
    }
    push @bad, "empty $_" for grep { $rec->{$_} eq '' } keys %$rec;
    push @bad, "event_id $rec->{event_id}"
        unless $rec->{event_id} =~ ($rec->{kind} eq 'request'
            ? qr{^[0-9a-f]{32}/0$} : qr{^[0-9a-f]{32}/[1-9]\d*$});
    push @bad, "ts_ms $rec->{ts_ms}"
        if abs($rec->{ts_ms} / 1000 - time) > 60;
    push @bad, "latency_ms $rec->{latency_ms}" if $rec->{latency_ms} > 20000;
    push @bad, "outcome $rec->{outcome}" unless $OUTCOME{$rec->{outcome}};
    push @bad, "usage_source $rec->{usage_source}"
        unless $SOURCE{$rec->{usage_source}};
    push @bad, "fallback $rec->{fallback}"
        if $rec->{kind} eq 'request' && !$FALLBACK{$rec->{fallback} || ''};
    push @bad, "v $rec->{v}" unless $rec->{v} == 1;

    return is("@bad", '', "$what: well formed");
}

# One request, its records: the request's own, then the attempts' if there
# were several; WANT are fields of the first, undef for "absent".
sub is_recorded {
    my ($r, $what, %want) = @_;
    my $attempts = defined $want{attempts} ? $want{attempts} : 0;
    my @rec = records($attempts > 1 ? 1 + $attempts : 1);

    is(join(',', map { $_->{kind} } @rec),
       join(',', 'request', ('attempt') x ($attempts > 1 ? $attempts : 0)),
       "$what: records");
    return unless @rec;
    is_record($_, $what) for @rec;
    is($rec[0]{request_id}, $r->{id}, "$what: request_id") if $r->{id};

    my @bad = grep {
        defined $rec[0]{$_} != defined $want{$_}
        || defined $want{$_} && $rec[0]{$_} !~ /^(?:$want{$_})$/
    } sort keys %want;
    is(join(', ', map { "$_=" . (defined $rec[0]{$_} ? $rec[0]{$_} : '-') }
            @bad), '', "$what: fields");
    return @rec;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a served request
--- check
fault('a', 'prompt=21 words=5 cached=4 reasoning=2');
my ($rec) = is_recorded(ask(), 'json', status => 200, outcome => 'ok',
    attempts => 1, attempt => undef, fallback => 'none',
    trail => 'a=200/ok', error_class => undef, account => 'a',
    provider => 'compatible', model_requested => 'm', model_served => 'm',
    route => 'm', endpoint => 'chat[a-z._]*', stream => 0,
    key_id => 'anonymous', class => 'default', cost_owner => 'search', input_tokens => 21,
    output_tokens => 7, cache_read_tokens => 4, cache_write_tokens => '0|',
    reasoning_tokens => 2, usage_source => 'provider', cost_nanousd => undef,
    app => undef, team => undef, env => undef, queue_ms => 0, drill => 0,
    ttft_ms => '\d+', trace_id => '[0-9a-f]{32}');
is(join(' ', sort keys %$rec), join(' ', sort grep { exists $rec->{$_} }
   @FIELDS), 'only pinned names');

# the rows of a file are in the contract's order, one per line
my ($line) = reverse split /\n/, slurp_lines("$tmp/usage.jsonl");
my @order = $line =~ /"(\w+)":/g;
is("@order", join(' ', grep { exists $rec->{$_} } @FIELDS), 'order');

for my $how ('', $ASK) {
    for my $sim ('', 'bytewise', 'crlf', 'nochunk', 'cl', 'gap=20') {
        fault('a', "prompt=21 words=5 cached=4 reasoning=2 $sim");
        is_recorded(ask(more => $STREAM . $how), "stream $sim $how",
            status => 200, outcome => 'ok', attempts => 1, stream => 1,
            input_tokens => 21, output_tokens => 7, cache_read_tokens => 4,
            reasoning_tokens => 2, usage_source => 'provider',
            ttft_ms => '\d+');
    }
}

# sizes around and above what is held back, and other shapes
for my $sim ('size=16000', 'size=16384 chunked', 'size=200000',
             'size=200000 chunked', 'nochunk', 'bytewise', 'bytewise chunked')
{
    fault('a', "prompt=21 words=5 $sim");
    is_recorded(ask(), $sim, outcome => 'ok', input_tokens => 21,
                output_tokens => 5, usage_source => 'provider');
}
for (['/v1/responses', 'responses'], ['/v1/messages', 'messages'],
     ['/v1/completions', 'completions'])
{
    for my $more ('', $STREAM) {
        fault('a', 'prompt=21 words=5');
        is_recorded(ask(path => $_->[0], more => $more), "$_->[0] $more",
                    outcome => 'ok', endpoint => $_->[1], input_tokens => 21,
                    output_tokens => 5, usage_source => 'provider');
    }
}
fault('a', 'prompt=21');
is_recorded(ask(path => '/v1/embeddings'), 'embeddings', outcome => 'ok',
            endpoint => 'embeddings', input_tokens => 21,
            usage_source => 'provider');



=== TEST 2: a provider that reports no usage
--- check
for my $more ('', $STREAM, $STREAM . $ASK) {
    fault('a', 'usage=off');
    is_recorded(ask(more => $more), "usage=off $more", outcome => 'ok',
        usage_source => 'estimated', input_tokens => '\d+',
        output_tokens => '1\d', cache_read_tokens => 0,
        reasoning_tokens => 0);
}



=== TEST 3: failover: the request and each attempt
--- check
for my $more ('', $STREAM) {
    fault('a', 'status=429 delay=60');
    fault('b', 'prompt=21 words=5 delay=40');
    my @rec = is_recorded(ask(more => $more), "429 $more", status => 200,
        outcome => 'ok', attempts => 2, fallback => 'provider',
        trail => 'a=429/rate_limit,b=200/ok', account => 'b',
        provider => 'openai', model_requested => 'm', model_served => 'm-b',
        error_class => undef, input_tokens => 21, output_tokens => 5,
        cost_owner => undef);
    next unless @rec == 3;

    my ($first, $second) = @rec[1, 2];
    my ($uuid) = $rec[0]{event_id} =~ /^(\w+)/;

    is("$first->{event_id} $second->{event_id}", "$uuid/1 $uuid/2",
       'event ids');
    is(join(' ', map { defined $_ ? $_ : '-' }
            @$first{qw(attempt account provider model_served status outcome
                       error_class usage_source input_tokens)}),
       '1 a compatible m 429 error rate_limit none -', 'the first attempt');
    is(join(' ', map { defined $_ ? $_ : '-' }
            @$second{qw(attempt account provider model_served status outcome
                        error_class usage_source input_tokens
                        output_tokens)}),
       '2 b openai m-b 200 ok - provider 21 5', 'the second attempt');
    is($first->{request_id}, $rec[0]{request_id}, 'their request');
    is($first->{cost_owner} || '-', 'search', 'whose account it was');

    cmp_ok($first->{latency_ms}, '>=', 50, 'latency of the first');
    cmp_ok($second->{latency_ms}, '>=', 30, 'latency of the second');
    cmp_ok($rec[0]{latency_ms}, '>=', 95, 'latency of the request');
    cmp_ok($second->{ts_ms} - $rec[0]{ts_ms}, '>=', 50,
           'when the second began');
    cmp_ok($rec[0]{ttft_ms}, '>=', 95, 'first token of the request');
}



=== TEST 4: requests that were not served
--- check
for (['500', 502, 'server_error'], ['429', 429, 'rate_limit'],
     ['401', 502, 'auth'], ['reset', 502, 'reset'], ['empty', 502, 'empty'],
     ['status=500 nochunk', 502, 'server_error'])
{
    my ($sim, $status, $class) = @$_;

    for my $more ('', $STREAM) {
        fault($_, $sim) for qw(a b);
        my $r = ask(more => $more);
        is($r->{status}, $status, "$sim $more: status");
        my @rec = is_recorded($r, "$sim $more", status => $status,
            outcome => 'error', attempts => 2, fallback => 'provider',
            error_class => $class, account => 'b', usage_source => 'none',
            input_tokens => undef, ttft_ms => undef);
        is(join(',', map { $_->{outcome} } @rec), 'error,error,error',
           "$sim $more: outcomes");
        is(join(',', map { $_->{error_class} || '-' } @rec),
           "$class,$class,$class", "$sim $more: classes");
    }
}

is_recorded(ask(model => 'gone-1'), 'refused', status => 502,
            outcome => 'error', attempts => 1, error_class => 'connect',
            trail => 'dead=502/connect', route => 'gone-\*',
            model_requested => 'gone-1', account => 'dead');

for my $sim ('400', 'status=400 nochunk', 'status=400 chunked',
             'status=422 bytewise')
{
    fault('a', $sim);
    my ($status) = $sim =~ /(\d{3})/;
    for my $more ('', $STREAM) {
        is_recorded(ask(more => $more), "$sim $more", status => $status,
                    outcome => 'error|rejected', attempts => 1,
                    error_class => 'invalid_request',
                    trail => "a=$status/invalid_request", account => 'a',
                    usage_source => 'none', input_tokens => undef);
    }
}



=== TEST 5: requests that the gateway refuses
--- check
for (['no model', 400, body => '{}'], ['no JSON', 400, body => 'hello'],
     ['empty', 400, body => ''], ['unknown model', 404, model => 'nope'],
     ['cut JSON', 400, body => '{"model":"m"'],
     ['two models', 400, body => '{"model":"m","model":"n"}'],
     ['unknown path', 404, path => '/v1/nope'],
     ['method', 405, method => 'GET', body => ''],
     ['too large', 413, body => 'x' x 5000],
     ['too large by its length', 413, body => '',
      head => "Content-Length: 99999\r\n"],
     ['bad chunk', 400, head => "Transfer-Encoding: chunked\r\n",
      body => "zz\r\n\r\n"],
     ['compressed', 415, head => "Content-Encoding: gzip\r\n"])
{
    my ($what, $status, @args) = @$_;
    my $r = ask(@args);

    is($r->{status}, $status, "$what: status");
    like($r->{raw}, qr/"request_id":"\Q$r->{id}\E"/, "$what: body");
    is_recorded($r, $what, status => $status, outcome => 'rejected',
                attempts => 0, fallback => 'none', account => undef,
                provider => undef, model_served => undef, trail => undef,
                error_class => '[a-z_]+', usage_source => 'none',
                input_tokens => undef, ttft_ms => undef);
}
my $r = ask(model => 'nope');
is_recorded($r, 'unknown model', model_requested => 'nope', route => undef,
            error_class => 'model_not_found');



=== TEST 6: clients that leave
--- check
for (['before the answer', 'delay=2000', 0.15, 499],
     ['before the answer of a stream', 'delay=2000', 0.15, 499, $STREAM],
     ['never an answer', 'hang', 0.15, 499],
     ['in a stream', 'words=50 gap=40', 0.2, 200, $STREAM],
     ['in a stream that it wants usage of', 'words=50 gap=40', 0.2, 200,
      $STREAM . $ASK])
{
    my ($what, $sim, $wait, $status, $more) = @$_;
    provider_reset('a');
    fault('a', $sim);
    my $q = send_request(more => $more || '');
    sleep $wait;
    close $q->{socket};

    my ($rec) = is_recorded($q, $what, status => $status,
        outcome => 'client_gone', error_class => 'client_closed',
        attempts => 1, account => 'a', usage_source => 'none|estimated');
    cmp_ok($rec->{latency_ms}, '<', 1000, "$what: at once");
    ok(wait_for(1, sub { provider_get('a', '/__stats') =~ /"aborted":1/ }),
       "$what: the provider was let go");
}

# in the middle of its own request
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => server_port());
print $s "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
         . "X-Request-ID: half\r\nContent-Length: 100\r\n\r\n{\"model\":";
sleep 0.1;
close $s;
is_recorded({ id => 'half' }, 'in its own request', status => '499|400',
            outcome => 'client_gone', attempts => 0, account => undef);

# and while it is moved to the next account
fault('a', '500');
fault('b', 'delay=2000');
my $q = send_request();
sleep 0.2;
close $q->{socket};
my @rec = is_recorded($q, 'at the second account', status => 499,
    outcome => 'client_gone', attempts => 2, account => 'b',
    trail => 'a=500/server_error,b=499/client_closed');
is(join(',', map { $_->{outcome} } @rec), 'client_gone,error,client_gone',
   'outcomes');



=== TEST 7: streams that break
--- check
for (['cut=2', 'cut'], ['reset_mid=2 gap=20', 'cut'],
     ['badchunk=2 gap=20', 'cut'],
     ['cut=2 nochunk', 'cut'])
{
    my ($sim, $outcome) = @$_;

    for my $how ('', $ASK) {
        fault('a', $sim);
        is_recorded(ask(more => $STREAM . $how), "$sim $how", status => 200,
                    outcome => $outcome, error_class => '[a-z_]+',
                    attempts => 1, account => 'a',
                    usage_source => 'none|estimated', ttft_ms => '\d+');
    }
}
fault('a', 'error_after=2 code=insufficient_quota gap=20');
is_recorded(ask(more => $STREAM), 'error_after', status => 200,
            outcome => 'error', error_class => 'quota_exhausted',
            attempts => 1);
fault('a', 'cut=1 size=100000');
is_recorded(ask(), 'a cut JSON', status => 200, outcome => 'cut',
            attempts => 1, usage_source => 'none|estimated');



=== TEST 8: tokens are those of the attempt that served
# Broken JSON of the first account had text, too.
--- check
fault('a', 'prompt=99 words=90 malformed=3');
fault('b', 'prompt=21 words=5');
my @rec = is_recorded(ask(), 'malformed, then served', attempts => 2,
    account => 'b', usage_source => 'provider', input_tokens => 21,
    output_tokens => 5);
is(join(',', map { $_->{usage_source} } @rec), 'provider,estimated,provider',
   'malformed: each its own');
cmp_ok($rec[1]{output_tokens}, '>', 20, 'malformed: what came of it');
fault('a', 'prompt=99 words=9 error_first');
@rec = is_recorded(ask(more => $STREAM), 'error first, then served',
    attempts => 2, account => 'b', usage_source => 'provider',
    input_tokens => 21);
is(join(',', map { $_->{usage_source} } @rec), 'provider,none,provider',
   'error first: an error costs nothing');



=== TEST 9: request ids, the client's and the gateway's own
--- check
my %seen;
for my $own ('', "X-Request-ID: bad id\r\n", "X-Request-ID: a/b\r\n",
             'X-Request-ID: ' . 'x' x 129 . "\r\n", "X-Request-ID: \r\n")
{
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => server_port());
    print $s "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n",
             "Connection: close\r\n${own}Content-Length: 13\r\n\r\n",
             '{"model":"m"}';
    my $raw = do { local $/; <$s> };
    close $s;
    my ($given) = $raw =~ /^x-request-id: ([A-Za-z0-9._-]+)\r$/mi;
    my ($rec) = is_recorded({ id => $given }, "made for \"$own\"",
                            outcome => 'ok');
    ok(!$seen{$given}++, 'a new one');
    ok(!$seen{$rec->{event_id}}++, 'and a new event id');
}

# the client's may repeat, event ids may not
for (1, 2) {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => server_port());
    print $s "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n",
             "Connection: close\r\nX-Request-ID: again\r\n",
             "Content-Length: 13\r\n\r\n", '{"model":"m"}';
    my $raw = do { local $/; <$s> };
    close $s;
    my ($rec) = is_recorded({ id => 'again' }, 'again', outcome => 'ok');
    ok(!$seen{$rec->{event_id}}++, 'a new event id');
}



=== TEST 10: names that need escaping
--- check
my $name = 'gone-\u00e4\"\\\\\u20ac/\ud83d\ude00<&>';
my ($rec) = is_recorded(ask(model => $name), 'escaped', status => 502,
                        attempts => 1);
is($rec->{model_requested}, JSON::PP::decode_json("[\"$name\"]")->[0],
   'the name itself');

my $long = 'gone-' . 'x' x 200;
is_recorded(ask(model => $long), 'long', attempts => 1,
            model_requested => $long);
is_recorded(ask(model => $long x 10), 'too long', status => 400,
            outcome => 'rejected', attempts => 0);
is_recorded(ask(model => 'gone-\u0001'), 'a control', status => 400,
            outcome => 'rejected', attempts => 0);



=== TEST 11: many requests at once, and a reload between
--- check
my $n = 0;
for my $round (1 .. 4) {
    my @q = map { send_request(more => $_ % 2 ? $STREAM : '') } 1 .. 25;
    nginx_signal('HUP') if $round == 2;
    $n += grep { $_->{status} == 200 } answers(@q);
}
is($n, 100, 'all were served');
my @rec = records(100);
is(scalar @rec, 100, 'a record each');
is(scalar(keys %{{ map { $_->{request_id} => 1 } @rec }}), 100,
   'of different requests');
is(scalar(keys %{{ map { $_->{event_id} => 1 } @rec }}), 100,
   'with different event ids');



=== TEST 12: locations without ai_pass, and ai_usage off
--- usage: off
--- check
is(ask()->{status}, 200, 'served without a sink');
is(ask(model => 'nope')->{status}, 404, 'refused without a sink');
sleep 0.1;
is(scalar(records()), 0, 'nothing was recorded');
