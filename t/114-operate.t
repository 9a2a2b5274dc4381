# Copyright (C) nginx-ai-route contributors

# What operators decide of accounts: drain, disable, enable, for all workers
# and over a reload.

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
END

my $accounts = <<'END';
ai_breaker failures=3 rate=100 open=20s max_open=20s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m m2 { target a; target b tier=2; }
ai_route alone { target a; }
END

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b)],
             perl => sub { eval shift });

# where 16 parallel requests went, whatever the worker
sub ways {
    my %n;
    $n{ way($_) }++ for ask_all(map { [stream => $_ % 2, @_] } 1 .. 16);
    return join ' ', sort keys %n;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: drain, disable, enable
--- check
for my $action (qw(drain disable)) {
    is(ways(), 'a', "before $action");
    my $answer = operate('a', $action);
    is($answer->{status}, 200, "$action: status");
    is_deeply(JSON::PP::decode_json($answer->{content}),
              { account => 'a', action => $action }, "$action: answer");

    my $n = requests('a');
    is(ways(), 'b', "$action: requests go elsewhere");
    is(ways(model => 'm2'), 'b', "$action: of all models");
    is(requests('a'), $n, "$action: not asked");

    my @r = ask_all(([model => 'alone']) x 8);
    is(statuses(@r), '503:8', "$action: nowhere else to go");
    is(error_code($r[0]), 'no_target', "$action: code");
    is(requests('a'), $n, "$action: not asked as the least bad either");

    accounts_open('a');
    is(ways(), 'b', "$action: reset is not enable");
    is(operate('a', 'enable')->{status}, 200, 'enable: status');
    is(ways(), 'a', 'enable: all come back');
}

# another account is not concerned
my $n = requests('b');
operate('b', 'disable');
is(ways(), 'a', 'another account');
provider_fault('a', '500');
is(ask()->{status}, 502, 'a disabled one is no way out either');
is(requests('b'), $n, 'not asked');



=== TEST 2: what runs is not disturbed
--- check
for my $action (qw(drain disable)) {
    provider_reset('a');
    provider_fault('a', 'words=8 gap=150');
    my @q = map { open_request(stream => 1) } 1 .. 6;
    ok(wait_for(2, sub { requests('a') == 6 }), 'six streams run');
    sleep 0.3;
    operate('a', $action);
    is(way(ask()), 'b', "$action: new ones go elsewhere");
    my @r = answers(@q);
    is(scalar(grep { $_->{complete} && $_->{body} =~ /\[DONE\]/ } @r), 6,
       "$action: the streams are finished");
    is(stats('a')->{aborted}, 0, "$action: none is cut");
    is(way(ask()), 'b', "$action: their success is not enable");
    operate('a', 'enable');
}



=== TEST 3: over a reload
--- check
operate('a', 'drain');
reload();
is(ways(), 'b', 'still drained');
operate('a', 'disable');
reload();
reload();
is(ways(), 'b', 'still disabled');
operate('a', 'enable');
is(ways(), 'a', 'enabled');
reload();
is(ways(), 'a', 'still enabled');



=== TEST 4: under load, and workers that die
--- log_ok chomp
exited on signal 9
--- check
my ($drained, $enabled);
my @r = load(rate => 150, seconds => 3,
             at => [[1, sub { operate('a', 'drain'); $drained = time() }],
                    [2, sub { operate('a', 'enable');
                              $enabled = time() }]]);
is(statuses(@r), '200:450', 'every request is served');
my @while = grep { $_->{start} > $drained && $_->{start} < $enabled - 0.05 }
                 @r;
cmp_ok(scalar @while, '>', 100, 'many meanwhile');
is(hits('a', @while), 0, 'none goes to a');
my @after = grep { $_->{start} > $enabled } @r;
is(hits('a', @after), scalar @after, 'then all do');

operate('a', 'disable');
kill_workers();
is(ways(), 'b', 'new workers know it');



=== TEST 5: enable leaves health as it is
--- check
provider_fault('a', '500');
ask() for 1 .. 3;
provider_fault('a', '');
is(way(ask()), 'b', 'open');
operate('a', 'disable');
operate('a', 'enable');
is(way(ask()), 'b', 'enable closes no breaker');
accounts_open('a');
is(way(ask()), 'a', 'reset does');



=== TEST 6: who may, and what is not there
--- check
for my $action (qw(drain disable enable)) {
    is(operate('a', $action, 'wrong')->{status}, 401, "$action: bearer");
    is(operate('none', $action)->{status}, 404, "$action: unknown name");
    is(HTTP::Tiny->new->get('http://127.0.0.1:' . server_port()
                            . "/ai/accounts/a/$action")->{status},
       405, "$action: GET");
}
is(operate('a', 'stop')->{status}, 404, 'unknown action');
is(ways(), 'a', 'nothing was done');
