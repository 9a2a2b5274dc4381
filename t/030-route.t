# Copyright (C) nginx-ai-route contributors

# Which target serves a model: the pattern that fits best, tiers, weights,
# and targets whose provider has no such endpoint.
#
# "table" has models and what must serve them, "MODEL => ACCOUNT UPSTREAM-
# MODEL", or "MODEL => 404".  "then" is Perl, run while nginx is up.

use lib 't/lib';
use AIRoute providers => [qw(a b c)];
use Test::Nginx::Socket 'no_plan';

use HTTP::Tiny ();
use JSON::PP ();
use POSIX ();

my $json = JSON::PP->new->utf8;

our $accounts = join '', map {
    my $port = '$TEST_NGINX_PROVIDER_' . uc $_;
    "upstream $_ { server 127.0.0.1:$port; keepalive 16;\n"
    . "    ai_account provider=compatible base=http://$_.test/v1; }\n"
    . "upstream claude_$_ { server 127.0.0.1:$port;\n"
    . "    ai_account provider=anthropic base=http://$_.test/v1; }\n"
} 'a' .. 'c';

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('http_config',
                      "ai_breaker failures=0 rate=100;\n"
                      . $main::accounts . $block->routes . "\n");
    $block->set_value('config', "location /v1/ {\n    ai_pass;\n"
                      . "    add_header X-Worker \$pid always;\n}\n"
                      . "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
    provider_reset('a' .. 'c');
});

add_response_body_check(sub {
    my ($block) = @_;
    my $name = $block->name;

    for my $line (split /\n/, defined $block->table ? $block->table : '') {
        my ($model, $want) = split / => /, $line, 2;
        my $r = post($model);
        my $h = $r->{headers};

        is($r->{status} == 200 ? "$h->{'x-ai-account'} $h->{'x-ai-model'}"
                               : $r->{status}, $want, "$name - $model");
    }

    if (defined $block->then) {
        eval $block->then;
        fail("$name - then: $@") if $@;
    }
});

sub post {
    my ($model, $path, $http) = @_;

    return ($http || HTTP::Tiny->new(timeout => 10))->post(
        "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}/v1/"
        . ($path || 'chat/completions'),
        { content => $json->encode({ model => $model }) });
}

sub served {
    return join ' ', map {
        $json->decode(provider_get($_, '/__stats'))->{requests}
    } 'a' .. 'c';
}

# COUNT requests from 4 clients at once: how many statuses were not 200, and
# how many workers answered

sub many {
    my ($count, $model, @paths) = @_;
    my (@pipes, %workers);
    my $bad = 0;

    for my $n (1 .. 4) {
        pipe my $r, my $w or die "pipe: $!\n";
        my $pid = fork;

        if (!$pid) {
            close $r;
            # a new connection each time, so that every worker gets some
            my $http = HTTP::Tiny->new(timeout => 10, keep_alive => 0);

            for my $i (1 .. $count / 4) {
                my $a = post($model, @paths ? $paths[$i % @paths] : undef,
                             $http);
                syswrite $w, "$a->{status} "
                             . ($a->{headers}{'x-worker'} || 0) . "\n";
            }

            POSIX::_exit(0);
        }

        close $w;
        push @pipes, [$pid, $r];
    }

    for (@pipes) {
        my ($pid, $r) = @$_;

        while (<$r>) {
            my ($status, $worker) = split;
            $bad++ if $status != 200;
            $workers{$worker}++;
        }

        waitpid $pid, 0;
    }

    return ($bad, scalar keys %workers);
}

workers(2);
no_long_string();
run_tests();

__DATA__

=== TEST 1: exact before the longest prefix before the catch-all
--- routes
ai_route *          { target a model=all; }
ai_route gpt-*      { target a model=gpt; }
ai_route gpt-4*     { target a model=gpt4; }
ai_route gpt-4o     { target a model=exact; }
ai_route gpt-4o-*   { target a model=gpt4o; }
ai_route gpt-4o-2024-* { target b model=gpt4o2024; }
--- table
gpt-4o => a exact
gpt-4o-mini => a gpt4o
gpt-4o-2024-08-06 => b gpt4o2024
gpt-4o-2024- => b gpt4o2024
gpt-4o-2024 => a gpt4o
gpt-4o- => a gpt4o
gpt-4 => a gpt4
gpt-4ox => a gpt4
gpt-5 => a gpt
gpt- => a gpt
gpt => a all
claude => a all
x => a all



=== TEST 2: whatever their order
--- routes
ai_route gpt-4o-2024-* { target b model=gpt4o2024; }
ai_route gpt-4o-*   { target a model=gpt4o; }
ai_route gpt-4o     { target a model=exact; }
ai_route gpt-4*     { target a model=gpt4; }
ai_route gpt-*      { target a model=gpt; }
ai_route *          { target a model=all; }
--- table
gpt-4o => a exact
gpt-4o-mini => a gpt4o
gpt-4o-2024-08-06 => b gpt4o2024
gpt-4 => a gpt4
gpt-5 => a gpt
gpt => a all



=== TEST 3: case matters, and every byte
--- routes
ai_route GPT-4o  { target a model=upper; }
ai_route gpt-4o  { target a model=lower; }
ai_route Llama-* { target b; }
--- table
GPT-4o => a upper
gpt-4o => a lower
Gpt-4o => 404
gpt-4O => 404
gpt-4o  => 404
gpt-4 => 404
gpt-4o-mini => 404
llama-3 => 404
Llama-3 => b Llama-3
Llama- => b Llama-
Llama => 404



=== TEST 4: a star in the request is no pattern
--- routes
ai_route gpt-* { target a; }
ai_route x { target b; }
--- table
* => 404
gpt* => 404
gpt-* => a gpt-*
x* => 404



=== TEST 5: several names in one route
--- routes
ai_route gpt-4o gpt-4o-mini o3* { target a; }
ai_route o3-pro { target b model=p; }
--- table
gpt-4o => a gpt-4o
gpt-4o-mini => a gpt-4o-mini
o3 => a o3
o3-mini => a o3-mini
o3-pro => b p
o3-pro-2025 => a o3-pro-2025



=== TEST 6: long, odd and many names
--- routes eval
CORE::join '', "ai_route " . 'm' x 256 . " { target a model=long; }\n",
     "ai_route " . 'm' x 255 . "* { target a model=star; }\n",
     "ai_route org/model:free\@v1 { target b; }\n",
     map { "ai_route n$_ { target c model=c$_; }\n" } 1 .. 300
--- then
for my $want (['m' x 256, 'long'], ['m' x 255, 'star'],
              ['m' x 255 . 'x', 'star'], ['org/model:free@v1',
              'org/model:free@v1'], map { ["n$_", "c$_"] } 1, 2, 10, 99, 300)
{
    my $r = post($want->[0]);
    is($r->{headers}{'x-ai-model'}, $want->[1], "length " . length $want->[0]);
}
is(post('n301')->{status}, 404, 'not one more');
is(post('n')->{status}, 404, 'not one less');
is(post('m' x 254)->{status}, 404, 'not one shorter');



=== TEST 7: an account's name has no case
--- routes
ai_route m { target A; }
--- table
m => a m



=== TEST 8: 3:1 over two workers is exact
--- routes
ai_zone ai 1m;
ai_route m { target a weight=3; target b; }
--- then
my ($bad, $workers) = many(400, 'm');
is($bad, 0, 'all served');
is($workers, 2, 'by both workers');
is(served(), '300 100 0', 'as weighted');



=== TEST 9: so are 5:3:2
--- routes
ai_zone ai 1m;
ai_route m { target a weight=5; target b weight=3; target c weight=2; }
--- then
my ($bad) = many(400, 'm');
is($bad, 0, 'all served');
is(served(), '200 120 80', 'as weighted');



=== TEST 10: and equal ones
--- routes
ai_zone ai 1m;
ai_route m { target a; target b; target c; }
--- then
many(300 + 100, 'm');
my @n = split ' ', served();
cmp_ok(abs($n[0] - 400 / 3), '<=', 1, 'a third');
cmp_ok(abs($n[1] - 400 / 3), '<=', 1, 'a third');
cmp_ok(abs($n[2] - 400 / 3), '<=', 1, 'a third');



=== TEST 11: without a zone it is exact in each worker
--- routes
ai_route m { target a weight=3; target b; }
--- then
my ($bad) = many(400, 'm');
is($bad, 0, 'all served');
my @n = split ' ', served();
is($n[0] + $n[1], 400, 'by both targets');
cmp_ok(abs($n[0] - 300), '<=', 2, 'within rounding');



=== TEST 12: smooth, not in bursts
--- routes
ai_zone ai 1m;
ai_route m { target a weight=3; target b; }
--- then
my $order = join '', map { post('m')->{headers}{'x-ai-account'} } 1 .. 12;
is($order, 'aabaaabaaaba', 'one after the other');



=== TEST 13: routes count for themselves
--- routes
ai_zone ai 1m;
ai_route m { target a; target b; }
ai_route n { target a; target b; }
--- then
my $order = join '', map { post($_)->{headers}{'x-ai-account'} }
            map { ('m', 'n') } 1 .. 4;
is($order, 'aabbaabb', 'each in turn');



=== TEST 14: the extremes of a weight
--- routes
ai_zone ai 1m;
ai_route m { target a weight=1000; target b weight=1; }
--- then
many(400, 'm');
my @n = split ' ', served();
cmp_ok($n[1], '<=', 1, 'b hardly ever');



=== TEST 15: a higher tier waits
--- routes
ai_zone ai 1m;
ai_route m { target c tier=2 weight=1000; target a weight=1; target b tier=3; }
--- then
many(40, 'm');
is(served(), '40 0 0', 'tier 1 alone');



=== TEST 16: until the one before it fails
--- routes
ai_zone ai 1m;
ai_route m {
    target a;
    target b tier=2;
    target c tier=16;
}
--- then
provider_fault('a', 'status=503');
my $r = post('m');
is($r->{headers}{'x-ai-account'}, 'b', 'tier 2');
is($r->{headers}{'x-ai-attempts'}, 2, 'after one failure');
provider_fault('b', 'status=503');
$r = post('m');
is($r->{headers}{'x-ai-account'}, 'c', 'tier 16');
is($r->{headers}{'x-ai-attempts'}, 3, 'after two');



=== TEST 17: all of a tier before the next, each once
--- routes
ai_zone ai 1m;
ai_route m {
    target c tier=2;
    target a;
    target b;
}
--- then
provider_fault($_, 'status=503') for 'a', 'b';
for (1 .. 6) {
    my $r = post('m');
    is($r->{headers}{'x-ai-account'}, 'c', 'the last');
    is($r->{headers}{'x-ai-attempts'}, 3, 'as the third');
}
is(served(), '6 6 6', 'each was tried once per request');



=== TEST 18: weights within the second tier
--- routes
ai_zone ai 1m;
ai_route m {
    target a;
    target b tier=2 weight=3;
    target c tier=2;
}
--- then
provider_fault('a', 'status=503');
many(80, 'm');
is(served(), '80 60 20', 'as weighted');



=== TEST 19: one account with two models
--- routes
ai_zone ai 1m;
ai_route m { target a model=x; target a model=y; }
--- then
my $order = join '', map { post('m')->{headers}{'x-ai-model'} } 1 .. 4;
is($order, 'xyxy', 'both in turn');



=== TEST 20: no endpoint, no candidate
--- routes
ai_zone ai 1m;
ai_route m { target claude_a; target b tier=2; }
--- then
my $r = post('m', 'embeddings');
is($r->{status}, 200, 'served');
is($r->{headers}{'x-ai-account'}, 'b', 'by who has it');
is($r->{headers}{'x-ai-attempts'}, 1, 'at once');
is($r->{headers}{'x-ai-fallback'}, 'none', 'which is no fallback');
$r = post('m');
is($r->{headers}{'x-ai-account'}, 'claude_a', 'chat as configured');
is(served(), '1 1 0', 'nothing else was sent');



=== TEST 21: nor in a failover
--- routes
ai_zone ai 1m;
ai_route m { target b; target claude_a tier=2; target c tier=3; }
--- then
provider_fault('b', 'status=503');
my $r = post('m', 'embeddings');
is($r->{headers}{'x-ai-account'}, 'c', 'skipped');
is($r->{headers}{'x-ai-attempts'}, 2, 'and not counted');
is(served(), '0 1 1', 'nor asked');



=== TEST 22: nobody has the endpoint
--- routes
ai_route m { target claude_a; target claude_b; }
--- then
my $r = post('m', 'embeddings');
is($r->{status}, 404, 'status');
my $e = $json->decode($r->{content});
is($e->{error}{code}, 'not_found', 'code');
like($e->{error}{message}, qr/"m" has embeddings/, 'message names both');
is($r->{headers}{'x-ai-account'}, undef, 'no attempt');
is(served(), '0 0 0', 'nothing was sent');
is(post('m', 'messages')->{status}, 200, 'the others work');



=== TEST 23: weights hold among those that have the endpoint
--- routes
ai_zone ai 1m;
ai_route m { target claude_a weight=8; target b weight=3; target c; }
--- then
many(40, 'm', 'embeddings');
is(served(), '0 30 10', 'as weighted');
