# Copyright (C) nginx-ai-route contributors

# A worker that is killed: what it was at is recorded by the others.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIServer;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

$ENV{TEST_NGINX_OWN} = free_port();

my $tmp = tmp_dir();
my $hash = sha256_hex('s3cr3t');
my $auth = "Authorization: Bearer s3cr3t\r\n";

my $http = <<"END";
ai_usage file:$tmp/usage.jsonl;
ai_key k hash=sha256:$hash app=shop team=search env=prod concurrent=100
       budget=1usd/day;
ai_price * input=1 output=10;
ai_class default { expose trail; }
ai_class slow { queue 20s; deadline 30s; }
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 64;
    ai_account provider=openai base=http://a/v1 owner=ops; }
upstream b { server 127.0.0.1:\$TEST_NGINX_PROVIDER_B; keepalive 64;
    ai_account provider=openai base=http://b/v1; ai_limit concurrent=1; }
ai_route m { target a; }
ai_route one { target b; }
END

check_blocks(http => $http, reset => [qw(a b)],
             before => sub { truncate "$tmp/usage.jsonl", 0 },
             perl => sub { eval shift });

# accounts that bill more than anybody has
my @billed = map { "billed$_" } 1 .. 7;
our $billed = join "\n",
    (map { "upstream $_ { server 127.0.0.1:\$TEST_NGINX_OWN;
                ai_account provider=openrouter base=http://own/v1; }" } @billed),
    'ai_class held { queue 20s; deadline 30s; attempts 9; retry_same off; }',
    "ai_route dear { @{[map { qq(target $_;) } @billed]} target b tier=2; }\n";

sub mine { return head => $auth, @_ }

# all records of kind request, by request id
sub records {
    my %by;

    for (split /\n/, slurp_lines("$tmp/usage.jsonl")) {
        my $r = JSON::PP::decode_json($_);
        push @{ $by{ $r->{request_id} } }, $r if $r->{kind} eq 'request';
    }
    return \%by;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: streams, and others that wait for their answer
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'words=40 gap=200 delay=4000');
my @q = map { open_request(mine(stream => $_ % 2, more => '"max_tokens":50,')) }
            1 .. 20;
ok(wait_for(3, sub { requests('a') == 20 }), 'twenty run');
my $start = time();
kill_workers();
my $by;
ok(wait_for(5, sub { $by = records(); keys %$by == 20 }),
   'all of them are recorded, without another request');
cmp_ok(time() - $start, '<', 4, 'soon');

for my $q (@q) {
    my $r = $by->{ $q->{id} } || [];
    is(scalar @$r, 1, 'once');
    my %r = %{ $r->[0] || {} };
    is_deeply([@r{qw(outcome error_class model_requested route account
                     provider key_id app team env class endpoint stream
                     attempts cost_owner usage_source)}],
              ['error', 'worker_lost', 'm', 'm', 'a', 'openai', 'k', 'shop',
               'search', 'prod', 'default', 'chat', $q->{stream} ? 1 : 0, 1,
               'ops', 'estimated'], 'as what it was');
    between($r{cost_nanousd}, 500_000, 600_000, 'with what it may have cost');
    like($r{event_id}, qr/^[0-9a-f]{32}\/0$/, 'event_id');
    between(abs($r{ts_ms} / 1000 - $q->{start}), 0, 2, 'when it came');
}
like(slurp("$tmp/servroot/logs/error.log"),
     qr/\[warn\].*requests that were lost with their worker: \d+/, 'said');



=== TEST 2: those that wait in the queue
--- log_ok chomp
exited on signal 9
--- check
provider_fault('b', 'delay=5000');
my @q = map { open_request(mine(model => 'one',
                                head => $auth . "X-AI-Class: slow\r\n")) }
            1 .. 6;
ok(wait_for(3, sub { requests('b') == 1 }), 'one runs, the others wait');
sleep 0.5;
kill_workers();
my $by;
ok(wait_for(5, sub { $by = records(); keys %$by == 6 }), 'all are recorded');
my @at = grep { defined $_->[0]{account} } values %$by;
is(scalar @at, 1, 'one of them was at an account');
my @wait = grep { !defined $_->[0]{account} } values %$by;
is($_->[0]{usage_source}, 'none', 'the others used nothing') for @wait;
ok(!defined $_->[0]{cost_nanousd}, 'and cost nothing') for @wait;



=== TEST 3: under load, each once
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'words=3 gap=30');
my @r = load(rate => 150, seconds => 4,
             each => sub { mine(stream => $_[0] % 2) },
             at => [[1, \&kill_workers], [2.5, \&kill_workers]]);
my $by;
# those that nginx had not read yet are nobody's
wait_for(5, sub { $by = records(); keys %$by >= 590 });
my @served = grep { $_->{complete} && $_->{status} == 200 } @r;
is(scalar(grep { @{ $by->{ $_->{id} } || [] } != 1 } @served), 0,
   'every request that was served, once');
my @lost = grep { $_->[0]{error_class}
                  && $_->[0]{error_class} eq 'worker_lost' } values %$by;
cmp_ok(scalar @lost, '>', 0, 'some were lost');
is(scalar(grep { @$_ != 1 } values %$by), 0, 'nothing twice');
is(scalar(grep { $by->{ $_->{id} }
                 && $by->{ $_->{id} }[0]{error_class} ne 'worker_lost' }
              grep { $_->{status} == 0 } @r), 0,
   'who got no answer is not recorded as served');
diag(scalar(@served) . ' served, ' . scalar(@lost) . ' lost, '
     . scalar(keys %$by) . ' recorded of ' . scalar(@r));



=== TEST 4: a fast stop
--- check
provider_fault('a', 'words=40 gap=200');
my @q = map { open_request(mine(stream => 1)) } 1 .. 5;
ok(wait_for(3, sub { requests('a') == 5 }), 'five run');
nginx_signal('TERM');
wait_for(5, sub { nginx_is_gone() });
my $by = records();
is(scalar keys %$by, 5, 'all of them are recorded');
is_deeply([map { $_->[0]{error_class} } values %$by], [('worker_lost') x 5],
          'as what they were');



=== TEST 5: what was used is known, and nginx waits for the client to go
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'words=8 error_after=3');
my @q = map { open_request(mine(stream => 1, more => '"max_tokens":5000,')) }
            1 .. 4;
# all of the answer comes at once; nginx lingers for five seconds
sysread $_->{socket}, my $buf, 65536 for @q;
sleep 0.3;
is(scalar keys %{ records() }, 0, 'not recorded yet');
kill_workers();
my $by;
ok(wait_for(5, sub { $by = records(); keys %$by == 4 }), 'all are recorded');
for my $r (map { $_->[0] } values %$by) {
    is("$r->{error_class} $r->{account}", 'worker_lost a', 'where it was');
    between($r->{cost_nanousd}, 1, 200_000,
            'what it cost, and not what was reserved');
}



=== TEST 6: between two tries, of which the first one had used something
--- routes
ai_zone ai 4m state=$TEST_NGINX_TMP/state;
ai_class held { queue 20s; deadline 30s; hold 20t; retry_same off; }
ai_breaker failures=1 open=20s;
ai_route both { target a; target b tier=2; }
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'error_after=4 words=9');
provider_fault('b', 'delay=9000');
my $busy = open_request(mine(model => 'one'));
ok(wait_for(3, sub { requests('b') == 1 }), 'b is busy');
my $q = open_request(mine(model => 'both', stream => 1,
                          head => $auth . "X-AI-Class: held\r\n"));
ok(wait_for(3, sub { requests('a') == 1 }), 'a fails');
sleep 0.5;
is(scalar keys %{ records() }, 0, 'it waits for another try');
kill_workers();
my $by;
ok(wait_for(5, sub { $by = records(); keys %$by == 2 }), 'both are recorded');
my $r = $by->{ $q->{id} }[0];
is("$r->{error_class} $r->{account}", 'worker_lost a', 'it was at a');
cmp_ok($r->{cost_nanousd} || 0, '>', 0, 'which costs');
my $spent = $r->{cost_nanousd} + $by->{ $busy->{id} }[0]{cost_nanousd};
ok(wait_for(4, sub { -f "$tmp/state/budgets"
                     && slurp("$tmp/state/budgets") =~ / $spent k$/m }),
   'and the key has spent just that')
    or diag("$spent, but:\n" . slurp("$tmp/state/budgets"));



=== TEST 7: between two tries, and the bills of those before are any number
--- routes eval: $main::billed
--- log_ok chomp
exited on signal 9
--- check
my $bill = '"cost":900000000,"is_byok":true,'
           . '"cost_details":{"upstream_inference_cost":900000000}';
own_server('OWN', sub {
    my $body = '{"error":{"message":"x","type":"server_error"},'
               . qq("usage":{"prompt_tokens":1,$bill}});
    syswrite $_[0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    . "Connection: close\r\nContent-Length: "
                    . length($body) . "\r\n\r\n$body";
});
provider_fault('b', 'delay=9000');
my $busy = open_request(mine(model => 'one'));
ok(wait_for(3, sub { requests('b') == 1 }), 'b is busy');
my $q = open_request(mine(model => 'dear',
                          head => $auth . "X-AI-Class: held\r\n"));
sleep 1;
is(scalar keys %{ records() }, 0, 'it waits for another try');
kill_workers();
my $by;
ok(wait_for(5, sub { $by = records(); keys %$by == 2 }), 'both are recorded');
like($by->{ $q->{id} }[0]{account}, qr/^billed/, 'it was at one of them');
is($by->{ $q->{id} }[0]{cost_nanousd}, 9223372036854775807, 'more than fits');
