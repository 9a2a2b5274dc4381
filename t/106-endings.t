# Copyright (C) nginx-ai-route contributors

# How streams end when they break after their first content: with an error
# event in the client's dialect, over HTTP/1.1 and HTTP/2, and never with an
# end that the provider did not send.  What is not broken passes as it is: a
# missing [DONE] after a complete answer, events that are no JSON.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIServer;

use JSON::PP ();
use Time::HiRes qw(sleep);

$ENV{TEST_NGINX_OWN} = free_port();
$ENV{TEST_NGINX_H2} = free_port();

my $http = ai_log() . <<'END';
ai_usage off;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=compatible base=http://b.test/v1; }
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }

ai_class default { expose trail; stall 500ms; deadline 10s; attempts 3; }
ai_route m+*   { target a; target b tier=2 model=ok; }
ai_route own   { target own; target b tier=2; }

server {
    listen 127.0.0.1:$TEST_NGINX_H2 http2;
    location /v1/ { ai_pass; }
}
END

# The dialects: path, and what only a complete answer has
my %dialect = (
    chat      => ['/v1/chat/completions', qr/"finish_reason":"|\[DONE\]/],
    completions => ['/v1/completions', qr/"finish_reason":"|\[DONE\]/],
    responses => ['/v1/responses', qr/response\.(?:completed|incomplete)/],
    messages  => ['/v1/messages', qr/message_stop|"stop_reason":"/],
);

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

sub get {
    my ($version, %o) = @_;

    return ask(stream => 1, version => $version, %o);
}

# the events of a stream: [name, data] each
sub events {
    my $body = shift;
    my @events;

    for (split /\r?\n\r?\n(?:\r?\n)*/, $body) {
        my ($name, $data) = ('', '');
        for (split /\r?\n/) {
            $name = $1 if /^event: ?(.*)/;
            $data .= $1 if /^data: ?(.*)/;
        }
        push @events, [$name, $data] if length $data;
    }
    return @events;
}

# content that ends with one error event of the gateway's, in the dialect
sub is_honest {
    my ($r, $dialect, $code, $what) = @_;
    my @e = events($r->{body});
    my $last = pop @e || ['', ''];
    my $json = eval { JSON::PP::decode_json($last->[1]) } || {};
    my $e = $json->{error} || {};

    is("$r->{status} " . ($r->{complete} ? 'complete' : 'broken'),
       '200 complete', "$what: complete as HTTP");
    like($r->{body}, qr/word0|"one/, "$what: its content");
    unlike($r->{body}, $dialect{$dialect}[1], "$what: no invented end");
    is(scalar(grep { $_->[1] =~ /"error":\{/ } @e), 0, "$what: one error");

    if ($dialect eq 'messages') {
        is("$last->[0] $json->{type} $e->{type}",
           'error error ' . ($code eq 'upstream_error' ? 'api_error'
                                                       : 'timeout_error'),
           "$what: Anthropic's error event");
    } elsif ($dialect eq 'responses') {
        is("$last->[0] $json->{type} $e->{code}", "error error $code",
           "$what: the Responses' error event");
        is($e->{type}, 'server_error', "$what: its type");
    } else {
        is("$last->[0] $e->{code}", " $code", "$what: OpenAI's error event");
        is(join(',', sort keys %$e), 'code,message,param,type',
           "$what: its members");
    }
    is($json->{request_id}, $r->{id}, "$what: request id");
    like($r->{body}, qr/\n\n\z/, "$what: the event is ended");
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: cut, reset and stalled after the content, in each dialect
--- check
for my $name (sort keys %dialect) {
    for my $version ('1.1', 2) {
        for (['cut=2', 'cut', 'upstream_error', 'server_error'],
             ['cut_mid=2', 'cut', 'upstream_error', 'server_error'],
             ['reset_mid=2', 'cut', 'upstream_error', 'server_error'],
             ['badchunk=2', 'cut', 'upstream_error', 'server_error'],
             ['cut=2,nochunk', 'cut', 'upstream_error', 'server_error'],
             ['cut_mid=2,crlf', 'cut', 'upstream_error', 'server_error'],
             ['stall=2', 'stalled', 'deadline_exceeded', 'timeout'])
        {
            my ($sim, $outcome, $code, $class) = @$_;
            my $what = "$name $version $sim";
            my $r = get($version, path => $dialect{$name}[0],
                        model => "m+sim:gap=40,$sim");

            is_honest($r, $name, $code, $what);
            is(trail($r), 'a=200/ok', "$what: one attempt");
            my $l = logged($r);
            is("$l->{outcome} $l->{class}", "$outcome $class", "$what: log");
        }
    }
}
is(requests('b'), 0, 'nobody else was asked');



=== TEST 2: what the provider had sent comes byte for byte before
--- check
for my $name (sort keys %dialect) {
    my $ask = '"stream_options":{"include_usage":true},';
    my %o = (path => $dialect{$name}[0], stream => 1, more => $ask,
             model => 'm+sim:gap=40,cut_mid=4');
    my $want = ask(%o, port => $provider_port{a})->{body};
    my $got = ask(%o)->{body};

    s/sim_?\d+/simN/g, s/resp_\w+_\d+/resp_N/g, s/"created(?:_at)?":\d+/"created":N/g,
      s/"(?:prompt|input)_tokens":\d+/"i":N/g
        for $got, $want;
    is(substr($got, 0, length $want), $want, "$name: the same bytes");
    my $rest = substr $got, length $want;
    is(() = $rest =~ /^data: /mg, 1, "$name: then one event");
    like($rest, qr/\A\n\n/, "$name: after an empty line");
}



=== TEST 3: the provider's own error event passes, and is the only one
--- check
for my $name (sort keys %dialect) {
    for my $version ('1.1', 2) {
        for my $sim ('error_after=2', 'error_after=2,nochunk') {
            my $what = "$name $version $sim";
            my $r = get($version, path => $dialect{$name}[0],
                        model => "m+sim:gap=60,$sim");

            is("$r->{status} $r->{complete}", '200 1', "$what: complete");
            is(scalar(grep { $_->[1] =~ /"error":\{/ } events($r->{body})), 1,
               "$what: one error event");
            unlike($r->{body}, qr/was cut|request_id":"$r->{id}/,
                   "$what: not ours");
            unlike($r->{body}, $dialect{$name}[1], "$what: no invented end");
            is(logged($r)->{outcome}, 'error', "$what: outcome");
        }
    }
}



=== TEST 4: a missing terminator after a complete answer is no error
--- check
for my $name ('chat', 'completions') {
    for my $version ('1.1', 2) {
        for my $sim ('done=off', 'done=off,nochunk', 'done=off,crlf',
                     'done=off,bytewise', 'done=off,words=1')
        {
            my $what = "$name $version $sim";
            my $r = get($version, path => $dialect{$name}[0],
                        model => "m+sim:$sim");

            is("$r->{status} $r->{complete}", '200 1', "$what: complete");
            like($r->{body}, qr/"finish_reason":"stop"/, "$what: finished");
            unlike($r->{body}, qr/"error"|\[DONE\]/, "$what: nothing added");
            my $l = logged($r);
            is("$l->{outcome} $l->{class} $l->{attempts}", 'ok  1',
               "$what: log");
        }
    }
}

# nor is a missing finish before it, whether or not all comes at once
my @events = ('data: {"choices":[{"index":0,"delta":{"content":"one"},'
              . qq("finish_reason":null}]}\n\n), "data: [DONE]\n\n");

my $junk = qq({\n  "error": {\n    "code": 503,\n    "message": "overloaded",)
           . qq(\n    "status": "UNAVAILABLE"\n  }\n}\n);

own_server('OWN', sub {
    my ($c, $raw) = @_;
    my $body = join '', $events[0], $raw =~ /"junk"/ ? $junk : $events[1];

    syswrite $c, "HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n"
                 . "Connection: close\r\nContent-Length: " . length($body)
                 . "\r\n\r\n" . ($raw =~ /"slow"/ ? $events[0] : $body);
    return unless $raw =~ /"slow"/;
    sleep 0.3;
    syswrite $c, $events[1];
});

for my $version ('1.1', 2) {
    for my $how ('at once', 'slow') {
        my $r = get($version, model => 'own', more => qq("say":"$how",));
        my $l = logged($r);
        is("$r->{status} $l->{outcome} $l->{attempts}", '200 ok 1',
           "no finish_reason, $version, $how");
        is($r->{body}, join('', @events), "$version, $how: byte-exact");
    }
}

# Gemini's error, raw JSON without an empty line after it, is one, however much
# came with it
my $r = get('1.1', model => 'own', more => '"say":"junk",');
is("$r->{status} $r->{h}{'x-ai-trail'}", '200 own=200/overloaded,b=200/ok',
   'raw JSON with the content');

# the end of these two is in the terminator; Anthropic's stop_reason is not
for my $version ('1.1', 2) {
    my $r = get($version, path => '/v1/responses',
                model => 'm+sim:gap=40,done=off');
    is_honest($r, 'responses', 'upstream_error', "responses $version");
    is(logged($r)->{outcome}, 'cut', "responses $version: outcome");

    $r = get($version, path => '/v1/messages',
             model => 'm+sim:gap=40,done=off');
    like($r->{body}, qr/"stop_reason":"end_turn"/, "messages $version");
    unlike($r->{body}, qr/"error"|message_stop/,
           "messages $version: nothing added");
    is(logged($r)->{outcome}, 'ok', "messages $version: outcome");
}



=== TEST 5: events that are no JSON
--- check
for my $name (sort keys %dialect) {
    for my $version ('1.1', 2) {
        for my $n (1, 3, 8) {
            my $what = "$name $version malformed=$n";
            my $r = get($version, path => $dialect{$name}[0],
                        model => "m+sim:malformed=$n");

            # passed on, or ended honestly
            is("$r->{status} $r->{complete}", '200 1', "$what: complete");
            like($r->{body}, $r->{body} =~ /"error":/
                             ? qr/\}\n\n\z/ : $dialect{$name}[1],
                 "$what: an end");
            like(logged($r)->{outcome}, qr/^(?:ok|cut|error)$/,
                 "$what: outcome");

            $r = get($version, path => $dialect{$name}[0],
                     model => 'm+sim:ok');
            like($r->{body}, $dialect{$name}[1], "$what: the next is fine");
        }
    }
}



=== TEST 6: strange ends
--- check
my $chat = 'data: {"id":"x","choices":[{"index":0,"delta":{"content":"one"},'
           . qq("finish_reason":null}]}\n\n);
my $finish = 'data: {"id":"x","choices":[{"index":0,"delta":{},'
             . qq("finish_reason":"stop"}]}\n\n);
my %say = (
    half_line => [$chat, 'da'],
    half_name => [$chat, 'data: {"choices":[{"del'],
    half_escape => [$chat, 'data: {"choices":[{"delta":{"content":"\\u00'],
    binary => [$chat, "\x00\xff\xfe\r\r\n\n\x80"],
    nul => [$chat, "data: \x00\n\n"],
    deep => [$chat, 'data: ' . '[' x 5000 . "\n\n"],
    long => [$chat, 'data: {"x":"' . 'y' x 100_000],
    finish_in_text => [$chat, 'data: {"id":"x","choices":[{"index":0,"delta":'
        . qq({"content":"\\"finish_reason\\":\\"stop\\""}}]}\n\n)],
    done_in_text => [$chat, 'data: {"id":"x","choices":[{"index":0,"delta":'
        . qq({"content":"data: [DONE]"}}]}\n\n)],
    comment_done => [$chat, ": [DONE]\n\n"],
    null_error => [$chat, qq(data: {"error":null}\n\n), $finish],
    no_last_blank => [$chat, $finish =~ s/\n\n\z//r],
    after_done => [$chat, $finish, "data: [DONE]\n\n", ": bye\n\n"],
);
own_server('OWN', sub {
    my ($c, $q) = @_;
    my ($what) = $q =~ /"say":"(\w+)"/;

    syswrite $c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                 . "Connection: close\r\n\r\n";
    for (@{ $say{$what} }) { syswrite $c, $_; sleep 0.08 }
});
# with usage asked for, even an unfinished event passes
my $usage = '"stream_options":{"include_usage":true},';
for my $what (sort keys %say) {
    my $whole = join '', @{ $say{$what} };
    for my $version ('1.1', 2) {
        my $r = get($version, path => '/v1/chat/completions',
                    model => 'own', more => qq("say":"$what",$usage));
        my $l = logged($r);

        is("$r->{status} $r->{complete}", '200 1',
           "$what $version: complete");
        is(substr($r->{body}, 0, length $whole), $whole,
           "$what $version: the same bytes");
        if ($what =~ /null_error|no_last_blank|after_done/) {
            is($r->{body}, $whole, "$what $version: nothing added");
            is($l->{outcome}, 'ok', "$what $version: outcome");
        } else {
            is(() = substr($r->{body}, length $whole)
                   =~ /\n\ndata: \{"error":\{[^\n]*\}\n\n\z/g, 1,
               "$what $version: ended with an error event");
            is($l->{outcome}, 'cut', "$what $version: outcome");
        }
    }
}
for my $what ('half_line', 'half_name', 'long') {
    my $r = get('1.1', path => '/v1/chat/completions', model => 'own',
                more => qq("say":"$what",));
    like($r->{body}, qr/\A\Q$chat\E.*\n\ndata: \{"error":\{[^\n]*\}\n\n\z/s,
         "$what, usage not asked for: ended with an error event");
    is(logged($r)->{outcome}, 'cut', "$what, usage not asked for: outcome");
}
is(ask(model => 'm+sim:ok')->{status}, 200, 'the worker is well');



=== TEST 7: an answer that is no stream breaks the connection instead
--- check
for my $sim ('cut=1,size=60000', 'reset_mid=1,size=60000',
             'cut=1,size=60000,chunked', 'cut=1,size=60000,nochunk',
             'stall=1,size=60000')
{
    my $r = ask(model => "m+sim:$sim");
    is($r->{status}, 200, "$sim: had begun");
    ok(!$r->{complete}, "$sim: broken");
    unlike($r->{body}, qr/"error"|finish_reason/, "$sim: nothing invented");
    like(logged($r)->{outcome}, qr/^(?:cut|stalled)$/, "$sim: outcome");
}
is(ask(model => 'm+sim:ok')->{status}, 200, 'the worker is well');
