# Copyright (C) nginx-ai-route contributors

# Every fault that a provider knows, for streams and other answers, over
# HTTP/1.1 and HTTP/2, with another attempt left and without: each request
# ends in bounded time with the right outcome and one record that says so, and
# none is a success that the provider did not finish.
#
# The fault is in the model's name; a number in it gives each request a cell
# of its own, so that many can run at once.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;

use JSON::PP ();

$ENV{TEST_NGINX_H2} = free_port();

my $http = <<'END';
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b.test/v1; }

ai_class one  { expose trail; attempts 1; deadline 3s; connect 500ms;
                first_byte 500ms; first_token 500ms; stall 500ms;
                max_wait off; }
ai_class more { expose trail; attempts 3; deadline 3s; connect 500ms;
                first_byte 500ms; first_token 500ms; stall 500ms;
                max_wait off; retry_same off; }
ai_route m+* { target a; target b tier=2 model=ok; }

server {
    listen 127.0.0.1:$TEST_NGINX_H2 http2;
    location /v1/ { ai_pass; }
}
END

# What a fault means, by kind:
#
#   fine     no fault: served, one attempt
#   before   failed before any content: another account, or an error
#   client   about the request: the provider's own answer, one attempt
#   after    failed after content: an honest end, one attempt
#   own      the provider itself ended the stream with an error
#
# and, after the kind, the class in the record (of what is not served).

my %both = (
    ok => 'fine', bytewise => 'fine', crlf => 'fine', nochunk => 'fine',
    cl => 'fine', chunked => 'fine', 'usage=off' => 'fine',
    continue => 'fine', 'delay=150' => 'fine', 'bytewise,crlf' => 'fine',
    'bytewise,nochunk' => 'fine', 'continue,bytewise' => 'fine',
    'bigheader=2000' => 'fine', 'words=1' => 'fine', 'words=600' => 'fine',

    (map { $_ => 'client invalid_request' } 400, 405, 422,
     'status=400,bytewise', 'status=400,nochunk', 'status=400,chunked',
     'status=400,dialect=html', 'status=400,dialect=empty'),
    'status=400,code=context_length_exceeded' => 'client context_length',
    'status=400,code=content_filter' => 'client content_filter',
    409 => 'client conflict',

    (map { $_ => 'before server_error' } 500, 502, 'status=500,bytewise',
     'status=500,chunked', 'status=500,nochunk', 'status=520,dialect=html',
     'status=500,dialect=empty', 'garbage', 'bigheader=40000',
     'error_first', 'error_first,bytewise', 'error_first,nochunk'),
    (map { $_ => 'before overloaded' } 503, 529, 'status=503,retry_after=9'),
    (map { $_ => 'before rate_limit' } 'status=429,retry_after=9',
     'status=429,dialect=mistral'),
    404 => 'before model_not_found', 403 => 'before permission',
    413 => 'before request_too_large',
    (map { $_ => 'before reset' } 'reset', 'close'),
    (map { $_ => 'before timeout' } 'hang', 'hang_headers', 'delay=2000',
     'status=504,dialect=empty'),
    'empty' => 'before empty', 'empty,cl' => 'before empty',
);

# these close or cool down the whole account, so they come one by one
my %alone = (
    401 => 'before auth', 402 => 'before quota_exhausted',
    'status=401,code=account_deactivated' => 'before account_disabled',
    'status=429,code=insufficient_quota' => 'before quota_exhausted',
    'error_first,status=429,code=insufficient_quota'
        => 'before quota_exhausted',
    'status=429,code=slow_down' => 'before slow_down',
);

my %json = (
    %both,
    'size=60000' => 'fine', 'size=60000,nochunk' => 'fine',
    'size=60000,chunked' => 'fine',
    (map { $_ => 'before reset' } 'cut=1', 'cut_mid=1', 'reset_mid=1',
     'cut=1,chunked'),
    'error_after=2' => 'before server_error',
    'malformed=1' => 'before server_error',
    'badchunk=1,chunked' => 'before server_error',
    'badchunk=1,chunked,size=60000' => 'before server_error',
    'stall=1' => 'before timeout',
    (map { $_ => 'after server_error' } 'cut=1,size=60000',
     'cut=1,size=60000,chunked', 'cut=1,size=60000,nochunk',
     'reset_mid=1,size=60000', 'malformed=1,size=60000'),
    'stall=1,size=60000' => 'after timeout',
);

my %stream = (
    %both,
    (map { $_ => 'fine' } 'done=off', 'done=off,nochunk', 'slow_first=150',
     'keepalive_comments=40,delay=200', 'gap=30', 'malformed=3',
     'malformed=1', 'malformed=3,bytewise'),
    (map { $_ => 'before timeout' } 'slow_first=2000',
     'keepalive_comments=40,delay=2000',
     'keepalive_comments=40,slow_first=2000', 'stall=0'),
    (map { $_ => 'before reset' } 'reset_mid=0'),
    'done_only' => 'before empty',
    'error_first,dialect=vllm' => 'before server_error',
    'error_first,dialect=openrouter' => 'before server_error',
    'error_first,status=429,dialect=groq' => 'before rate_limit',
    # with a gap, so that the content was read before the end
    (map { ("gap=60,$_" => 'after server_error') } 'cut=2', 'cut_mid=2',
     'reset_mid=2', 'badchunk=2', 'cut=2,bytewise', 'cut=2,nochunk',
     'cut_mid=2,crlf', 'cut=8', 'cut_mid=7', 'cut=2,cl'),
    (map { ("gap=60,$_" => 'after timeout') } 'stall=2', 'stall=8'),
    (map { ("gap=60,$_" => 'own server_error') } 'error_after=2',
     'error_after=2,bytewise', 'error_after=2,nochunk'),
    'gap=60,error_after=2,status=503' => 'own overloaded',
);

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

# One line per fault and class, so that a failure shows all that is wrong.
sub is_right {
    my ($r, $fault, $record) = @_;
    my ($kind, $class) = split / /, $r->{kind};
    my ($rec, @wrong) = ref $record ? $record->[0] : {};
    my $served = $kind eq 'fine' || $kind eq 'before' && $r->{class} eq 'more';
    my $tries = $kind eq 'before' && $served ? 2 : 1;
    my $finished = $r->{stream} ? $r->{body} =~ /"finish_reason":"stop"/
                   : $r->{body} =~ /"finish_reason":"stop".*\}\s*\z/s;
    my $done = $r->{body} =~ /\[DONE\]/;
    my $is = sub {
        my ($what, $got, $want) = @_;
        $got = '-' unless defined $got;
        push @wrong, "$what: $got, not $want" if $got ne $want;
    };

    $is->('records', ref $record ? scalar @$record : 0, 1);
    $is->('attempts', $rec->{attempts}, $tries);
    push @wrong, "took $r->{took} s" if $r->{took} > 3.6;

    if ($served) {
        $is->('status', $r->{status}, 200);
        $is->('complete', $r->{complete} ? 1 : 0, 1);
        $is->('outcome', $rec->{outcome}, 'ok');
        $is->('finished', $finished ? 1 : 0, 1);
        $is->('account', $r->{h}{'x-ai-account'}, $tries > 1 ? 'b' : 'a');
        $is->('class', $rec->{error_class}, '-');

    } else {
        # never a fake success
        $is->('pretends to be finished', $finished || $done ? 1 : 0, 0);
        $is->('class', $rec->{error_class}, $class);
        push @wrong, "outcome: " . ($rec->{outcome} || '-')
            if ($rec->{outcome} || '')
               !~ ($kind eq 'after' ? qr/^(?:cut|stalled)$/ : qr/^error$/);
        # over HTTP/2 a broken answer's head may be lost with it
        $is->('recorded status', $rec->{status}, $r->{status})
            if $kind ne 'after' || $r->{stream} || $r->{status};
    }

    if ($kind eq 'before' && !$served) {
        push @wrong, "status: $r->{status}"
            if $r->{status} !~ /^(?:502|503|504|429|413|404)$/;
        $is->('complete', $r->{complete} ? 1 : 0, 1);
        $is->('JSON', eval { JSON::PP::decode_json($r->{body})->{error} }
                      ? 1 : 0, 1);
    }
    if ($kind eq 'client') {
        $is->('status', $r->{status}, $fault =~ /(\d{3})/ ? $1 : '?');
        $is->('complete', $r->{complete} ? 1 : 0, 1);
    }
    if ($kind eq 'own' || $kind eq 'after' && $r->{stream}) {
        $is->('status', $r->{status}, 200);
        $is->('complete', $r->{complete} ? 1 : 0, 1);
        $is->('errors', scalar(() = $r->{body} =~ /"error":/g), 1);
        push @wrong, 'no content' if $r->{body} !~ /word0 /;
        push @wrong, 'no error at the end'
            if $r->{body} !~ /\n\r?\n(?:event: error\n)?data:\ \{.*"error":.*
                              \}\r?\n\r?\n(?:data:\ \[DONE\]\n\n)?\z/x;
    }
    if ($kind eq 'after' && !$r->{stream}) {
        # what is complete as HTTP is so by the provider's own framing
        $is->('complete', $r->{complete} ? 1 : 0, 0) if $fault !~ /malformed/;
        $is->('JSON', eval { JSON::PP::decode_json($r->{body}) } ? 1 : 0, 0);
    }

    ok(!@wrong, "$r->{class}: $fault ($r->{kind})")
        or diag(join "\n", @wrong,
                "answer: $r->{status} " . trail($r),
                length $r->{body} > 600 ? '...' . substr $r->{body}, -600
                                        : $r->{body});
}

sub matrix {
    my ($version, $faults, $stream) = @_;
    my (@todo, @done);

    for my $fault (sort keys %$faults) {
        for my $class ('one', 'more') {
            my $n = @todo + 1000;
            # "prompt" is only here to make the name unique
            push @todo, [model => "m+sim:$fault,prompt=$n",
                         version => $version, max => 10,
                         class => $class, stream => $stream,
                         fault => $fault, kind => $faults->{$fault}];
        }
    }

    push @done, ask_all(splice @todo, 0, 12) while @todo;

    for my $fault (sort keys %alone) {
        for my $class ('one', 'more') {
            operator_reset(qw(a b));
            push @done, ask(model => "m+sim:$fault", class => $class,
                            version => $version, max => 10,
                            stream => $stream, fault => $fault,
                            kind => $alone{$fault});
        }
    }

    my $records = recorded(map { $_->{id} } @done);
    is_right($_, $_->{fault}, $records->{ $_->{id} }) for @done;

    # and the gateway is as well as before
    operator_reset(qw(a b));
    my $r = ask(model => 'm+sim:ok', class => 'one', version => $version,
                stream => $stream);
    is("$r->{status} $r->{complete}", '200 1', 'healthy');
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: no streams, HTTP/1.1
--- check
matrix('1.1', \%json, 0);



=== TEST 2: no streams, HTTP/2
--- check
matrix(2, \%json, 0);



=== TEST 3: streams, HTTP/1.1
--- check
matrix('1.1', \%stream, 1);



=== TEST 4: streams, HTTP/2
--- check
matrix(2, \%stream, 1);
