# Copyright (C) nginx-ai-route contributors

# Tokens that no provider has told: of providers without usage, and of answers
# that did not come to their end.  Attempts that failed have their own.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIOwn;

use Time::HiRes qw(sleep);

my $STREAM = '"stream":true,';
my $ASK = '"stream_options":{"include_usage":true},';

my $END = 'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":'
          . '"stop"}],"usage":null}' . "\n\ndata: [DONE]\n\n";

my $START = 'event: message_start' . "\n" . 'data: {"type":"message_start",'
            . '"message":{"usage":{"input_tokens":4,'
            . '"cache_read_input_tokens":1167,"output_tokens":1}}}' . "\n\n";

my $http = <<'END';
log_format ai escape=none '$ai_request_id $ai_input_tokens/$ai_output_tokens';
access_log $TEST_NGINX_TMP/ai.log ai;
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_zone ai 1m;
ai_class default { retry_same off; max_wait off; stall 400ms; }
ai_class held { retry_same off; max_wait off; hold 6t; }
ai_breaker failures=0 rate=100;
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }
upstream other { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/other; }
upstream limited { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1;
    ai_limit tokens=1000t/h; }
ai_route own { target own; }
ai_route two { target own; target other tier=2; }
ai_route limited { target limited; }
END

check_blocks(http => $http, perl => sub { eval shift });


sub chunk {
    return 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"'
         . "$_[0]\"},\"finish_reason\":null}],\"usage\":null}\n\n";
}

sub block {
    return 'event: content_block_delta' . "\n" . 'data: {"type":'
         . '"content_block_delta","index":0,"delta":{"type":"text_delta",'
         . '"text":"' . "$_[0]\"}}\n\n";
}

# a record in short: outcome, source, input, output, "prompt" for an input
# that was guessed of the request's size
sub short {
    my ($r, $rec) = @_;

    return join ' ', $rec->{outcome}, $rec->{usage_source},
        map { !defined $_ ? '-'
              : $_ == int($r->{size} / 4) ? 'prompt' : $_ }
        @$rec{qw(input_tokens output_tokens)};
}

# the client reads a little and leaves
sub leave {
    my $q = open_own(@_);
    my $raw = '';

    sysread $q->{socket}, $raw, 65536, length $raw
        until $raw =~ /leave here/ || length $raw > 100000;
    close $q->{socket};
    return $q;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a provider without usage
--- check
own(sub { pieces($_[0], sse(chunk('abcdefgh') x 40 . $END), 700) });
for ($STREAM, $STREAM . $ASK) {
    my $r = ask_own(more => $_);
    is(short($r, records($r, 1)), 'ok estimated prompt 80', 'a stream');

    ok(wait_for(3, sub {
        slurp(tmp_dir() . '/ai.log')
            =~ m{^$r->{id} @{[ int $r->{size} / 4 ]}/80$}m
    }), 'in the variables');
}

# at least one for each event
own(sub { pieces($_[0], sse(chunk('a') x 40 . $END), 700) });
my $r = ask_own(more => $STREAM);
is(short($r, records($r, 1)), 'ok estimated prompt 40', 'one letter each');

# all strings of "choices", large and small
for (['abcdefgh' x 10, 1400], ['abcdefgh' x 20000, 60000]) {
    my ($text, $piece) = @$_;
    my $n = int((length($text) + length('assistant') + 3) / 4);

    own(sub { pieces($_[0], http('application/json',
                '{"id":"chatcmpl-0123456789","choices":[{"message":{"role":'
                . '"assistant","content":"' . $text . '"}}]}'), $piece) });
    my $r = ask_own();
    is(short($r, records($r, 1)), "ok estimated prompt $n",
       'an answer of ' . length $text);
}

own(sub { pieces($_[0], http('application/json',
            '{"data":[{"embedding":"' . 'A' x 4000 . '"}]}'), 1400) });
$r = ask_own(path => '/v1/embeddings');
is(short($r, records($r, 1)), 'ok estimated prompt 0', 'embeddings');

# nothing is known of what was not read
own(sub { pieces($_[0], http('audio/mpeg', 'abc' x 1000), 1400) });
$r = ask_own(path => '/v1/audio/speech');
is(short($r, records($r, 1)), 'ok none - -', 'speech');



=== TEST 2: the client leaves
--- check
own(sub { syswrite $_[0], sse(chunk('abcdefgh') x 9 . chunk('leave here'));
          sleep 2 });
for ($STREAM, $STREAM . $ASK) {
    my $r = leave(more => $_);
    # 9 x 8 and 10 letters
    is(short($r, records($r, 1)), 'client_gone estimated prompt 21',
       'a stream');
}

# the input is known since the start, which told one token of output
own(sub { syswrite $_[0], sse($START . block('abcdefgh') x 9
                              . block('leave here'));
          sleep 2 });
my $r = leave(path => '/v1/messages', more => $STREAM);
my ($rec) = records($r, 1);
is(short($r, $rec), 'client_gone estimated 1171 22', 'Messages');
is($rec->{cache_read_tokens}, 1167, 'its cache');

# figures that come with each piece are as good as at the end
own(sub { syswrite $_[0], sse(join '', map {
              'data: {"candidates":[{"content":{"parts":[{"text":"' . $_
            . '"}]}}],"usageMetadata":{"promptTokenCount":8,'
            . '"candidatesTokenCount":77}}' . "\r\n\r\n" } 'a', 'leave here');
          sleep 2 });
$r = leave(path => '/v1/messages', more => $STREAM);
is(short($r, records($r, 1)), 'client_gone provider 8 77', 'Gemini');

# a long answer that is not streamed
own(sub { syswrite $_[0], "HTTP/1.1 200 OK\r\nContent-Type: application/json"
              . "\r\nContent-Length: 900000\r\n\r\n"
              . '{"choices":[{"message":{"content":"' . 'abcd' x 20000
              . 'leave here';
          sleep 2 });
$r = leave();
is(short($r, records($r, 1)), 'client_gone estimated prompt 20003', 'JSON');

# before anything came of an answer: the prompt was read
for (['nothing', '', 'client_gone estimated prompt 0'],
     ['a head', "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
      'client_gone estimated prompt 0'],
     ['an error', "HTTP/1.1 500 x\r\nContent-Length: 100\r\n\r\n{",
      'client_gone none - -'])
{
    my ($what, $head, $want) = @$_;
    own(sub { syswrite $_[0], $head; sleep 2 });
    my $q = open_own(more => $STREAM);
    sleep 0.2;
    close $q->{socket};
    is(short($q, records($q, 1)), $want, "before content: $what");
}



=== TEST 3: streams that break
--- check
own(sub { pieces($_[0], sse(chunk('abcdefgh') x 10), 500) });
my $r = ask_own(more => $STREAM);
is(short($r, records($r, 1)), 'cut estimated prompt 20', 'cut');

own(sub { pieces($_[0], sse(chunk('abcdefgh') x 10 . 'data: {"cho'), 500) });
$r = ask_own(more => $STREAM);
is(short($r, records($r, 1)), 'cut estimated prompt 20', 'cut in an event');

own(sub { pieces($_[0], sse(chunk('abcdefgh') x 10), 500); sleep 3 });
$r = ask_own(more => $STREAM);
is(short($r, records($r, 1)), 'stalled estimated prompt 20', 'stalled');

# the provider tells what its broken answer has used
own(sub { pieces($_[0], sse(chunk('abcdefgh') x 10 . 'data: {"error":{"code":'
              . '502,"message":"x"},"choices":[],"usage":{"prompt_tokens":12,'
              . '"completion_tokens":9}}' . "\n\n"), 500) });
$r = ask_own(more => $STREAM);
is(short($r, records($r, 1)), 'error provider 12 9', 'an error with usage');



=== TEST 4: attempts that failed
--- check
my $ok = sse(chunk('abcd') . 'data: {"choices":[],"usage":{"prompt_tokens":12,'
             . '"completion_tokens":5}}' . "\n\ndata: [DONE]\n\n");
my $error = 'data: {"error":{"message":"The server had an error",'
            . '"type":"server_error"}}' . "\n\n";

# what the first account does, and what its attempt has used
for (['hidden content', sse(chunk('abcdefgh') x 4 . $error),
      'error estimated prompt 8', 'held'],
     ['told by the way', sse($START . 'event: error' . "\n"
      . 'data: {"type":"error","error":{"type":"overloaded_error"}}'
      . "\n\n"), 'error provider 1171 1'],
     ['told with the error', sse('data: {"error":{"code":502,"message":"x"},'
      . '"usage":{"prompt_tokens":3,"completion_tokens":2}}' . "\n\n"),
      'error provider 3 2'],
     ['a cut answer', "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
      . "Content-Length: 500\r\n\r\n" . '{"choices":[{"message":{"content":"'
      . 'abcdefgh' x 10, 'error estimated prompt 20', undef, ''],
     ['an error', "HTTP/1.1 503 X\r\nContent-Type: application/json\r\n"
      . "Content-Length: 37\r\n\r\n" . '{"error":{"message":"overloaded now"}}'
      . "\n", 'error none - -'],
     ['an error first', sse($error), 'error none - -'],
     ['an error under a 200', http('application/json', '{"error":{"message":'
      . '"The server had an error","type":"server_error"},"message":"abcdef"}'
      ), 'error none - -', undef, ''],
     ['nothing', '', 'error none - -'])
{
    my ($what, $answer, $used, $class, $more) = @$_;

    own(sub { my ($c, $request) = @_;
              pieces($c, $request =~ m{^POST /other/} ? $ok : $answer, 90) });

    my $r = ask_own(model => 'two', more => defined $more ? $more : $STREAM . $ASK,
                head => $class ? "X-AI-Class: $class\r\n" : '');
    my @rec = records($r, 3);

    is(scalar @rec, 3, "$what: records");
    is(short($r, $rec[0]), 'ok provider 12 5', "$what: of the request");
    is(short($r, $rec[1]), $used, "$what: of the attempt");
    is(short($r, $rec[2]), 'ok provider 12 5', "$what: of the next one");
}

# the only attempt: its record is the request's
own(sub { pieces($_[0], sse($START . 'event: error' . "\n"
              . 'data: {"type":"error","error":{"type":"overloaded_error"}}'
              . "\n\n"), 90) });
my $r = ask_own(more => $STREAM);
is(short($r, records($r, 1)), 'error provider 1171 1', 'the only one');

# refused before anything was tried
$r = ask_own(model => 'nobody');
is(short($r, records($r, 1)), 'rejected none - -', 'rejected');



=== TEST 5: a limit counts what was estimated
# 800 reserved for the output are given back but for a few.
--- check
own(sub { pieces($_[0], sse(chunk('abcdefgh') x 10 . $END), 500) });
for (1 .. 3) {
    my $r = ask_own(model => 'limited', more => $STREAM . '"max_tokens":800,');
    is($r->{status}, 200, "request $_");
    records($r, 1);
}

own(sub { pieces($_[0], sse(chunk('abcdefgh') x 200 . $END), 5000) });
ask_own(model => 'limited', more => $STREAM . '"max_tokens":100,');
my $r = ask_own(model => 'limited', more => $STREAM . '"max_tokens":800,');
is($r->{status}, 429, 'one that used 400');
