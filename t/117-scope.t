# Copyright (C) nginx-ai-route contributors

# Operators' actions on one model and on one health cell of an account.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_breaker failures=3 rate=100 open=20s max_open=20s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m m2 { target a; target b tier=2; }
ai_route sent { target a model=m%2F1; target b tier=2; }
END

check_blocks(http => $http, reset => [qw(a b)], perl => sub { eval shift });

sub act {
    my ($action, $args) = @_;

    return HTTP::Tiny->new->post(
        'http://127.0.0.1:' . server_port() . "/ai/accounts/a/$action?$args",
        { headers => { Authorization => 'Bearer s3cr3t' } });
}

# where requests of a kind go, whatever the worker
sub ways {
    my %n;
    $n{ way($_) }++ for ask_all(map { [@_] } 1 .. 8);
    return join ' ', sort keys %n;
}

# opens the breaker of that cell of a
sub fail_cell {
    provider_fault('a', '500');
    ask(@_) for 1 .. 3;
    provider_fault('a', '');
    is(ways(@_), 'b', 'its breaker is open');
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a model
--- check
my $answer = act('drain', 'model=m');
is($answer->{status}, 200, 'status');
is_deeply(JSON::PP::decode_json($answer->{content}),
          { account => 'a', model => 'm', action => 'drain' }, 'answer');
is(ways(), 'b', 'the model goes elsewhere');
is(ways(stream => 1), 'b', 'its streams, too');
is(ways(model => 'm2'), 'a', 'another does not');

reload();
is(ways(), 'b', 'over a reload');
act('reset', 'model=m');
is(ways(), 'b', 'reset is not enable');
act('enable', '');
is(ways(), 'b', 'nor is that of the account');
act('enable', 'model=m');
is(ways(), 'a', 'enable is');



=== TEST 2: one cell
--- check
my $answer = act('disable', 'model=m&endpoint=chat&stream=1');
is_deeply(JSON::PP::decode_json($answer->{content}),
          { account => 'a', model => 'm', endpoint => 'chat', stream => 1,
            action => 'disable' }, 'answer');
is(ways(stream => 1), 'b', 'its streams go elsewhere');
is(ways(), 'a', 'other answers do not');
is(ways(stream => 1, model => 'm2'), 'a', 'nor does another model');
reload();
is(ways(stream => 1), 'b', 'over a reload');
act('enable', 'model=m&endpoint=chat&stream=1');
is(ways(stream => 1), 'a', 'enabled');



=== TEST 3: reset of one cell, and of a model's
--- check
fail_cell();
fail_cell(stream => 1);
fail_cell(model => 'm2');

act('reset', 'model=m&endpoint=chat&stream=0');
is(ways(), 'a', 'the cell is open');
is(ways(stream => 1), 'b', 'the one beside it is not');
is(ways(model => 'm2'), 'b', 'nor that of another model');

act('reset', 'model=m');
is(ways(stream => 1), 'a', 'all cells of the model');
is(ways(model => 'm2'), 'b', 'none of another');

act('reset', '');
is(ways(model => 'm2'), 'a', 'all of the account');



=== TEST 4: a cooldown is the model's
--- check
provider_fault('a', 'times=1 429 retry_after=20');
ask();
is(ways(), 'b', 'cools down');
act('reset', 'model=m2');
is(ways(), 'b', 'another is none of it');
act('reset', 'model=m');
is(ways(), 'a', 'over');



=== TEST 5: the name is the one sent, and decoded
--- check
act('drain', 'model=sent');
is(ways(model => 'sent'), 'a', 'not the one that clients use');
is(JSON::PP::decode_json(act('drain', 'model=m%252F1')->{content})->{model},
   'm%2F1', 'decoded once');
is(ways(model => 'sent'), 'b', 'drained');



=== TEST 6: what is no cell
--- check
for (['model=m&endpoint=chat', 'stream is missing'],
     ['model=m&stream=1', 'endpoint is missing'],
     ['endpoint=chat&stream=1', 'model is missing'],
     ['model=m&endpoint=chatter&stream=1', 'unknown endpoint'],
     ['model=m&endpoint=chat&stream=yes', 'stream is no number'])
{
    my $answer = act('drain', $_->[0]);
    is($answer->{status}, 400, $_->[1]);
    is(JSON::PP::decode_json($answer->{content})->{error}{code},
       'invalid_request_error', "$_->[1]: code");
}
is(ways(), 'a', 'nothing was done');
