# Copyright (C) nginx-ai-route contributors

# What arrives at the provider, byte for byte: bodies are passed on as they
# came but for the model's name and include_usage.
#
# See t/lib/AIBody.pm for what blocks have.  Large bodies are made by big().

use lib 't/lib';
use AIRoute providers => [qw(a b c)];
use Test::Nginx::Socket 'no_plan';
use AIBody;

our $accounts = <<'END';
ai_breaker failures=0 rate=100;
upstream a {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    keepalive 4;
    ai_account provider=compatible base=http://a.test/v1;
}
upstream b {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    keepalive 4;
    ai_account provider=compatible base=http://b.test/v1;
}
upstream c {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_C;
    keepalive 4;
    ai_account provider=compatible base=http://c.test/v1;
}
END

# same: the client's own model; new: another name; short, long: others still;
# two, three: the first ones fail if a block makes them

our $routes = <<'END';
ai_route same { target a; }
ai_route new { target a model=provider/new-name-2024; }
ai_route short { target a model=s; }
ai_route two {
    target a model=first-name;
    target b model=x tier=2;
}
ai_route three {
    target a;
    target b model=the-second-name-is-longer tier=2;
    target c model=c tier=3;
}
ai_route strict { target m; }
upstream m {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=mistral base=http://m.test/v1;
}
END

body_blocks(http => $accounts . $routes, reset => [qw(a b c)], also => sub {
    my ($block, $body, $name) = @_;

    if (defined $block->shows_usage) {
        $block->shows_usage =~ /yes/
            ? like($body, qr/"choices":\[\],"usage":\{/, "$name - usage chunk")
            : unlike($body, qr/"choices":\[\]/, "$name - no usage chunk");
        like($body, qr/data: \[DONE\]\n\n\z/, "$name - complete");
    }
});


# A body of exactly N bytes whose model stands first, last or in the middle,
# full of what could mislead: quotes, escapes, decoys, changing bytes.

sub big {
    my ($n, $at, $model, $extra) = @_;
    my $m = "\"model\":\"$model\"" . (defined $extra ? ",$extra" : '');
    my ($open, $close) = $at eq 'first' ? ("{$m,\"p\":\"", '"}')
                       : $at eq 'last'  ? ('{"p":"', "\",$m}")
                       :                  ('{"p":"', '"}');
    my $room = $n - length($open . $close);
    my $unit = join '', map { "$_ \\\"model\\\":\\\"no\\\" \\u00e9\\n{[]}" }
                            1 .. 500;

    if ($at eq 'middle') {
        my $between = "\",$m,\"q\":\"";
        my $half = int(($room - length $between) / 2);
        return $open . fill($unit, $half) . $between
               . fill($unit, $room - $half - length $between) . $close;
    }

    return $open . fill($unit, $room) . $close;
}

# whole units, so that no escape is cut in two, then padding

sub fill {
    my ($unit, $n) = @_;
    my $s = substr $unit x (int($n / length $unit) + 1), 0, $n;

    $s =~ s/[^}]*\z//;
    return $s . 'z' x ($n - length $s);
}

# the same with another model

sub renamed {
    my ($body, $from, $to) = @_;
    my $n = $body =~ s/"model":"\Q$from\E"/"model":"$to"/;

    die "no model \"$from\" to replace\n" unless $n;
    return $body;
}

sub sizes {
    my ($model, $to, @n) = @_;

    return [map {
        my $n = $_;
        map { my $b = big($n, $_, $model);
              [$b, defined $to ? renamed($b, $model, $to) : undef]
        } qw(first last middle)
    } @n];
}

no_long_string();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: untouched without model=
--- table
{"model":"same"}
{"model":"same","messages":[{"role":"user","content":"hi"}]}
 { "messages" : [ ] ,	"model" : "same" }
{"model":"s\u0061me"}
{"model":"same","stream":false,"stream_options":{"include_usage":false}}
{"model":"same","stream":null}
{"model":"same","stream_options":null,"x":1.0e-5}
{"model":"same","top_k":1,"top_k":2}
{"model":"same","u":"\ud83d\ude00\u00e9\/"}
{"model":"same","stream_options":"odd"}
{"model":"same","a":{"mod\u0065l":1}}



=== TEST 2: nor are white space and raw bytes
--- bodies eval
[["\n\n{\"model\":\"same\"}\r\n\r\n"], ["{\"model\":\"same\",\"a\":\"\xff\xfe\"}"],
 ["{\"model\":\"same\",\"a\":\"\xe6\xa8\xa1\x7f\"}\n"],
 ["\t{\r\n\"model\"\n:\n\"same\"\n}\t" . "\n" x 9000]]



=== TEST 3: the model replaced, wherever it stands
--- table
{"model":"new"} => {"model":"provider/new-name-2024"}
{"model":"new","a":1} => {"model":"provider/new-name-2024","a":1}
{"a":1,"model":"new"} => {"a":1,"model":"provider/new-name-2024"}
{"a":1,"model":"new","b":2} => {"a":1,"model":"provider/new-name-2024","b":2}
{"model" : "new" } => {"model" : "provider/new-name-2024" }
{"model":"short","a":1} => {"model":"s","a":1}
{"a":[],"model":"short"} => {"a":[],"model":"s"}



=== TEST 4: decoys keep their names
--- table
{"a":"\"model\":\"new\"","model":"new"} => {"a":"\"model\":\"new\"","model":"provider/new-name-2024"}
{"a":{"model":"new"},"model":"new"} => {"a":{"model":"new"},"model":"provider/new-name-2024"}
{"model":"new","a":{"model":"new"}} => {"model":"provider/new-name-2024","a":{"model":"new"}}
{"a":[{"model":"new"},"model","new"],"model":"new"} => {"a":[{"model":"new"},"model","new"],"model":"provider/new-name-2024"}
{"new":"model","model":"new"} => {"new":"model","model":"provider/new-name-2024"}
{"x":"model","y":"new","model":"new","model2":"new"} => {"x":"model","y":"new","model":"provider/new-name-2024","model2":"new"}
{"a":"\\\"","model":"new","b":"\\"} => {"a":"\\\"","model":"provider/new-name-2024","b":"\\"}
{"a":"{\"model\":\"new\"}","model":"new"} => {"a":"{\"model\":\"new\"}","model":"provider/new-name-2024"}



=== TEST 5: an escaped model is the same model
--- table
{"model":"n\u0065w"} => {"model":"provider/new-name-2024"}
{"model":"\u006e\u0065\u0077","a":"\u006e"} => {"model":"provider/new-name-2024","a":"\u006e"}
{"a":1,"model":"sh\u006Frt"} => {"a":1,"model":"s"}



=== TEST 6: include_usage asked for, none was given
--- table
{"model":"same","stream":true} => {"stream_options":{"include_usage":true},"model":"same","stream":true}
 { "model":"same","stream":true} =>  {"stream_options":{"include_usage":true}, "model":"same","stream":true}
{"stream":true,"a":{"stream_options":{}},"model":"same"} => {"stream_options":{"include_usage":true},"stream":true,"a":{"stream_options":{}},"model":"same"}
{"model":"new","stream":true} => {"stream_options":{"include_usage":true},"model":"provider/new-name-2024","stream":true}
{"stream":true,"model":"short"} => {"stream_options":{"include_usage":true},"stream":true,"model":"s"}
--- shows_usage: no



=== TEST 7: merged into the client's own
--- table
{"model":"same","stream":true,"stream_options":null} => {"model":"same","stream":true,"stream_options":{"include_usage":true}}
{"model":"same","stream":true,"stream_options": null } => {"model":"same","stream":true,"stream_options": {"include_usage":true} }
{"model":"same","stream":true,"stream_options":{}} => {"model":"same","stream":true,"stream_options":{"include_usage":true}}
{"model":"same","stream":true,"stream_options":{ }} => {"model":"same","stream":true,"stream_options":{"include_usage":true }}
{"model":"same","stream":true,"stream_options":{"include_usage":false}} => {"model":"same","stream":true,"stream_options":{"include_usage":true}}
{"model":"same","stream":true,"stream_options":{ "include_usage" : false }} => {"model":"same","stream":true,"stream_options":{ "include_usage" : true }}
{"model":"same","stream":true,"stream_options":{"include_usage":null}} => {"model":"same","stream":true,"stream_options":{"include_usage":true}}
{"model":"same","stream":true,"stream_options":{"x":1}} => {"model":"same","stream":true,"stream_options":{"include_usage":true,"x":1}}
{"model":"same","stream":true,"stream_options":{ "x" : 1 }} => {"model":"same","stream":true,"stream_options":{"include_usage":true, "x" : 1 }}
{"model":"same","stream":true,"stream_options":{"x":{"include_usage":true}}} => {"model":"same","stream":true,"stream_options":{"include_usage":true,"x":{"include_usage":true}}}
{"model":"same","stream":true,"stream_options":{"x":1,"include_usage":false,"y":2}} => {"model":"same","stream":true,"stream_options":{"x":1,"include_usage":true,"y":2}}
{"stream_options":{"include_usage":false},"stream":true,"model":"new"} => {"stream_options":{"include_usage":true},"stream":true,"model":"provider/new-name-2024"}
{"model":"new","stream_options":{"include_usage":false},"stream":true} => {"model":"provider/new-name-2024","stream_options":{"include_usage":true},"stream":true}
{"stream_options":null,"model":"short","stream":true} => {"stream_options":{"include_usage":true},"model":"s","stream":true}
{"stream_options":{},"model":"short","stream":true} => {"stream_options":{"include_usage":true},"model":"s","stream":true}
--- shows_usage: no



=== TEST 8: what asks already stays as it is
--- table
{"model":"same","stream":true,"stream_options":{"include_usage":true}}
{"stream_options": { "x":1, "include_usage" : true } ,"model":"same","stream":true}
{"stream_options":{"include_usage":true},"model":"new","stream":true} => {"stream_options":{"include_usage":true},"model":"provider/new-name-2024","stream":true}
--- shows_usage: yes



=== TEST 9: long ones
--- bodies eval
my $long = 'y' x 200000;

[map { my $to = $_; $to =~ s/"include_usage":false/"include_usage":true/
                    or $to =~ s/\{/{"include_usage":true,/;
       [map { "{\"model\":\"same\",\"stream\":true,\"stream_options\":$_}" }
            $_, $to] }
     "{\"x\":\"$long\"}", "{\"x\":\"$long\",\"include_usage\":false}",
     "{\"include_usage\":false,\"x\":\"$long\"}",
     '{' . ' ' x 2000 . '"include_usage":false}']



=== TEST 10: nothing is merged where it means nothing
--- path: responses
--- table
{"model":"same","stream":true}
{"model":"same","stream":true,"stream_options":{}}



=== TEST 11: nor for Anthropic's messages
--- path: messages
--- table
{"model":"same","stream":true}



=== TEST 12: nor for a provider that refuses it
--- table
{"model":"strict","stream":true}
{"model":"strict","stream":true,"stream_options":{"x":1}}



=== TEST 13: nor without a stream
--- table
{"model":"same","stream_options":{"include_usage":false}}
{"model":"same","stream":false,"stream_options":null}



=== TEST 14: the other endpoints
--- path: embeddings
--- table
{"model":"new","input":"x"} => {"model":"provider/new-name-2024","input":"x"}
{"model":"same","input":["x"],"stream":true}



=== TEST 15: the model by header is put into the body
--- more_headers: X-AI-Model: same
--- table
{} => {"model":"same"}
{ } => {"model":"same" }
{"a":1} => {"model":"same","a":1}
 { "a":1} =>  {"model":"same", "a":1}
{"a":{"model":"x"}} => {"model":"same","a":{"model":"x"}}
{"stream":true} => {"model":"same","stream_options":{"include_usage":true},"stream":true}
{"stream":true,"stream_options":{}} => {"model":"same","stream":true,"stream_options":{"include_usage":true}}



=== TEST 16: or the target's
--- more_headers: X-AI-Model: new
--- table
{} => {"model":"provider/new-name-2024"}
{"a":1} => {"model":"provider/new-name-2024","a":1}
{"stream":true} => {"model":"provider/new-name-2024","stream_options":{"include_usage":true},"stream":true}



=== TEST 17: 3 kB and 300 kB in memory
--- where: memory
--- bodies eval: main::sizes('same', undef, 3000, 300_000)



=== TEST 18: the same in a temporary file
--- where: file
--- bodies eval: main::sizes('same', undef, 3000, 300_000)



=== TEST 19: 3 kB and 300 kB in memory with another model
--- where: memory
--- bodies eval: main::sizes('new', 'provider/new-name-2024', 3000, 300_000)



=== TEST 20: the same in a temporary file
--- where: file
--- bodies eval: main::sizes('new', 'provider/new-name-2024', 3000, 300_000)



=== TEST 21: with sendfile
--- where: sendfile on; client_body_buffer_size 8k;
--- bodies eval: main::sizes('new', 'provider/new-name-2024', 3000, 300_000)



=== TEST 22: always in a file, small ones too
--- where: client_body_in_file_only clean;
--- bodies eval
[@{ main::sizes('short', 's', 100, 3000, 300_000) },
 ['{"model":"same"}']]



=== TEST 23: in a single buffer
--- where: client_body_in_single_buffer on; client_body_buffer_size 1m;
--- bodies eval: main::sizes('new', 'provider/new-name-2024', 3000, 300_000)



=== TEST 24: around the sizes of buffers and of the scanner's window
--- where: file
--- bodies eval
[map { my $n = $_; map { my $b = main::big($n, $_, 'new');
                         [$b, main::renamed($b, 'new', 'provider/new-name-2024')] }
       qw(first last) }
 1023, 1024, 1025, 8191, 8192, 8193, 16_384, 65_535, 65_536, 65_537, 131_072]



=== TEST 25: a stream's options in a file, next to the model and far from it
--- where: file
--- bodies eval
my $t = '"stream":true';
[map {
    my ($at, $n) = @$_;
    my $b = main::big($n, $at, 'new', "$t,\"stream_options\":{\"x\":1}");
    my $c = main::big($n, $at, 'same', $t);
    [$b, main::renamed($b, 'new', 'provider/new-name-2024')
         =~ s/"stream_options":\{/"stream_options":{"include_usage":true,/r],
    [$c, $c =~ s/^\{/{"stream_options":{"include_usage":true},/r]
} (['first', 3000], ['last', 3000], ['first', 300_000], ['last', 300_000],
   ['middle', 300_000])]
--- shows_usage: no



=== TEST 26: 20 MB in memory, model first
--- where: memory
--- bodies eval: [[main::big(20_000_000, 'first', 'same')]]



=== TEST 27: 20 MB in memory, model last and replaced
--- where: memory
--- bodies eval
my $b = main::big(20_000_000, 'last', 'new');
[[$b, main::renamed($b, 'new', 'provider/new-name-2024')]]



=== TEST 28: 20 MB in a file, model first and replaced
--- where: file
--- bodies eval
my $b = main::big(20_000_000, 'first', 'new');
[[$b, main::renamed($b, 'new', 'provider/new-name-2024')]]



=== TEST 29: 20 MB in a file, model last
--- where: file
--- bodies eval: [[main::big(20_000_000, 'last', 'same')]]



=== TEST 30: 20 MB in a file with sendfile, model last and replaced
--- where: sendfile on; client_body_buffer_size 16k;
--- bodies eval
my $b = main::big(20_000_000, 'last', 'new');
[[$b, main::renamed($b, 'new', 'provider/new-name-2024')]]



=== TEST 31: the second target has its own model
--- faults
a status=503
--- at: b
--- table
{"model":"two"} => {"model":"x"}
{"a":"two","model":"two","b":1} => {"a":"two","model":"x","b":1}
{"model":"two","stream":true} => {"stream_options":{"include_usage":true},"model":"x","stream":true}
{"model":"two","stream":true,"stream_options":{"x":1}} => {"model":"x","stream":true,"stream_options":{"include_usage":true,"x":1}}



=== TEST 32: after a 429
--- faults
a status=429
--- at: b
--- table
{"model":"two","a":1} => {"model":"x","a":1}



=== TEST 33: 3 kB and 300 kB in memory, after a 503
--- faults
a status=503
--- at: b
--- where: memory
--- bodies eval: main::sizes('two', 'x', 3000, 300_000)



=== TEST 34: in a file, after a 503
--- faults
a status=503
--- at: b
--- where: file
--- bodies eval: main::sizes('two', 'x', 3000, 300_000)



=== TEST 35: in a file, after a reset
--- faults
a reset
--- at: b
--- where: file
--- bodies eval: main::sizes('two', 'x', 3000, 300_000)



=== TEST 36: in memory, after the connection was reset while it was sent
--- faults
a reset_early
--- at: b
--- where: memory
--- bodies eval: main::sizes('two', 'x', 3000, 300_000, 5_000_000)



=== TEST 37: in a file, after the connection was reset while it was sent
--- faults
a reset_early
--- at: b
--- where: file
--- bodies eval: main::sizes('two', 'x', 3000, 300_000, 5_000_000)



=== TEST 38: the same with sendfile
--- faults
a reset_early
--- at: b
--- where: sendfile on; client_body_buffer_size 8k;
--- bodies eval: main::sizes('two', 'x', 3000, 300_000, 5_000_000)



=== TEST 39: always in a file, after two failures
--- faults
a status=503
b reset_early
--- at: c
--- where: client_body_in_file_only clean;
--- bodies eval: main::sizes('three', 'c', 100, 3000, 300_000, 1_000_000)



=== TEST 40: in a file, after two failures
--- faults
a reset_early
b status=500
--- at: c
--- where: file
--- bodies eval: main::sizes('three', 'c', 3000, 300_000, 1_000_000)



=== TEST 41: after one failure the middle one
--- faults
a close
--- at: b
--- where: file
--- bodies eval: main::sizes('three', 'the-second-name-is-longer', 3000, 300_000)



=== TEST 42: 20 MB in memory, after a 503
--- faults
a status=503
--- at: b
--- where: memory
--- bodies eval
my $b = main::big(20_000_000, 'last', 'two');
[[$b, main::renamed($b, 'two', 'x')]]



=== TEST 43: 20 MB in a file, after an early reset and a 503
--- faults
a reset_early
b status=503
--- at: c
--- where: file
--- bodies eval
my $b = main::big(20_000_000, 'first', 'three');
[[$b, main::renamed($b, 'three', 'c')]]



=== TEST 44: the model by header, after a failure
--- faults
a status=503
--- at: b
--- more_headers: X-AI-Model: two
--- table
{} => {"model":"x"}
{"a":1,"stream":true} => {"model":"x","stream_options":{"include_usage":true},"a":1,"stream":true}
