# Copyright (C) nginx-ai-route contributors

# What is left of a body when the members for the gateway alone are cut out,
# byte for byte: in any order, next to each other and to what is replaced, in
# memory and in nginx's file.
#
# See t/lib/AIBody.pm for what blocks have; "key" is what the client's key says.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AIBody;

use Digest::SHA ();

our $http = <<'END';
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
ai_route same { target a; }
ai_route new { target a model=provider/new-name-2024; }
ai_route two { target a model=first-name; target b model=x tier=2; }
END

body_blocks(reset => [qw(a b)],
    http => sub {
        my $key = $_[0]->key;

        return $http . (defined $key ? 'ai_key k hash=sha256:'
                                       . Digest::SHA::sha256_hex('s3cr3t')
                                       . " $key;\n"
                                     : '');
    },
    headers => sub {
        return defined $_[0]->key ? 'Authorization: Bearer s3cr3t' : '';
    });


# The members for the gateway, and others between which they stand.

our @knobs = ('"models":["x","y\"},{,"]',
             '"provider":{"only":["a","b"],"x":[{"y":"}"}]}',
             '"session_id":"s,}"', '"providerOptions":{"gateway":{"n":[1]}}');

sub permuted {
    my @m = @_;

    return [] unless @m;
    return map {
        my $i = $_;
        map { [$m[$i], @$_] } permuted(@m[0 .. $i - 1, $i + 1 .. $#m])
    } 0 .. $#m;
}

# [sent, arrived] of the members in all their orders; those for the gateway
# do not arrive, of the others $change makes what arrives, $first comes in
# front of them

sub orders {
    my ($members, $change, $first) = @_;
    my %knob = map { $_ => 1 } @knobs;

    return [map {
        [ '{' . join(',', @$_) . '}',
          '{' . join(',', $first ? $first : (),
                     map { $change->($_) } grep { !$knob{$_} } @$_) . '}' ]
    } permuted(@$members)];
}

sub renamed { my $m = shift; $m =~ s/"new"/"provider\/new-name-2024"/; $m }

no_long_string();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: one member, wherever it stands
--- table
{"models":["x"],"model":"same"} => {"model":"same"}
{"model":"same","models":["x"]} => {"model":"same"}
{"a":1,"models":["x"],"model":"same"} => {"a":1,"model":"same"}
{"provider":{},"model":"same"} => {"model":"same"}
{"model":"same","session_id":"s"} => {"model":"same"}
{"model":"same","session_id":null} => {"model":"same"}
{"provider":null,"model":"same","models":null} => {"model":"same"}
{ "models" : [ ] , "model":"same" } => {  "model":"same" }
{"model":"same" , "models" : [ ] } => {"model":"same"  }
 { "model" : "same" ,	"provider":{ } , "a":1 } =>  { "model" : "same"  , "a":1 }
{"model":"same","a":{"models":1,"provider":2},"b":["session_id"]}
{"model":"same","a":"\"models\":1,","models":["\"a\":1,"],"b":"]"} => {"model":"same","a":"\"models\":1,","b":"]"}



=== TEST 2: of providerOptions what is the gateway's
--- table
{"model":"same","providerOptions":{"gateway":{"order":["a"]}}} => {"model":"same"}
{"providerOptions":{"gateway":{"order":["a"]}},"model":"same"} => {"model":"same"}
{"providerOptions":{"gateway":null},"model":"same"} => {"model":"same"}
{"model":"same","providerOptions":{}}
{"model":"same","providerOptions":null}
{"model":"same","providerOptions":{"openai":{"gateway":{}}}}
{"model":"same","providerOptions":{"openai":{"a":1},"gateway":{}}} => {"model":"same","providerOptions":{"openai":{"a":1}}}
{"model":"same","providerOptions":{"gateway":{},"openai":{"a":1}}} => {"model":"same","providerOptions":{"openai":{"a":1}}}
{"model":"same","providerOptions":{"x":1 , "gateway":{} , "y":2}} => {"model":"same","providerOptions":{"x":1  , "y":2}}
{"providerOptions":{"gateway":{},"y":2},"models":[],"model":"same"} => {"providerOptions":{"y":2},"model":"same"}
{"models":[],"providerOptions":{"gateway":{},"y":2},"session_id":"s","model":"same"} => {"providerOptions":{"y":2},"model":"same"}



=== TEST 3: all of them, in every order
--- bodies eval
main::orders(['"model":"same"', @main::knobs], sub { shift })



=== TEST 4: between what is replaced
--- bodies eval
main::orders(['"model":"new"', '"stream":true', @main::knobs[0, 3]],
             \&main::renamed, '"stream_options":{"include_usage":true}')



=== TEST 5: beside stream_options
--- bodies eval
main::orders(['"model":"new"', '"stream":true', '"stream_options":{"x":1}',
              $main::knobs[1]],
             sub { my $m = main::renamed(shift);
                   $m =~ s/"x":1/"include_usage":true,"x":1/; $m })



=== TEST 6: in nginx's file
--- where: file
--- bodies eval
my $big = '"p":"' . CORE::join('', map { "$_,\\\"models\\\":[" } 1 .. 2000) . '"';
main::orders(['"model":"new"', $big, @main::knobs[0, 1]], \&main::renamed)



=== TEST 7: partly in a buffer, partly in the file
--- where: client_body_buffer_size 8k; client_body_in_file_only clean;
--- bodies eval
my $big = '"p":"' . 'x' x 8150 . '"';
main::orders(['"model":"new"', $big, @main::knobs[1, 3]], \&main::renamed)



=== TEST 8: the model in the header, the body left empty
--- more_headers: X-AI-Model: same
--- table
{"models":["x"]} => {"model":"same"}
{"models":["x"],"a":1} => {"model":"same","a":1}
{ "session_id":"s" , "provider":{} } => {"model":"same"   }
{"a":1,"models":["x"]} => {"model":"same","a":1}
{"stream":true,"models":["x"]} => {"model":"same","stream_options":{"include_usage":true},"stream":true}
{"models":["x"],"providerOptions":{"gateway":{}}} => {"model":"same"}



=== TEST 9: a list of models alone names the model
--- table
{"models":["same","x"]} => {"model":"same"}
{"a":1,"models":["new"]} => {"model":"provider/new-name-2024","a":1}



=== TEST 10: the second target gets the same
--- faults
a status=503
--- at: b
--- bodies eval
main::orders(['"model":"two"', '"a":[1]', @main::knobs[0, 1]],
             sub { my $m = shift; $m =~ s/two/x/; $m })



=== TEST 11: a key that may not use them has no way around
# an account that is a gateway itself would obey them
--- key chomp
team=t
--- table
{"model":"same","models":["other"]} => {"model":"same"}
{"provider":{"only":["b"]},"model":"same","session_id":7} => {"model":"same"}
{"model":"same","a":1,"provider":"none of these is read","models":{}} => {"model":"same","a":1}
{"model":"same","providerOptions":{"gateway":{"order":7}}} => {"model":"same"}
{"model":"same","providerOptions":{"x":1,"gateway":{"models":["other"]}}} => {"model":"same","providerOptions":{"x":1}}
{"model":"same","providerOptions":"s"}
{"model":"same","providerOptions":{"openai":{"a":1}}}



=== TEST 12: nor a member that is too long to be read
--- key chomp
team=t
--- bodies eval
my $long = '"' . 'x' x 10000 . '"';
[['{"model":"same","models":[' . $long . '],"a":1}', '{"model":"same","a":1}']]



=== TEST 13: a key that may use them
--- key chomp
knobs
--- table
{"model":"same","provider":{"only":["a"]},"a":1} => {"model":"same","a":1}
