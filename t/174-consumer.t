# Copyright (C) nginx-ai-route contributors

# docs/examples/usage_consumer.py against a real Redis: what two consumers, of
# which one dies, have in their database is what the gateway has recorded.

BEGIN {
    for my $program (qw(redis-server python3)) {
        next if grep { -x "$_/$program" } split /:/, $ENV{PATH};
        print "1..0 # SKIP $program is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => [qw(a b)], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

use Cwd ();
use Digest::SHA qw(sha256_hex);
use POSIX ();
use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();
my $consumer = Cwd::getcwd() . '/docs/examples/usage_consumer.py';
my %pid;

my @hash = map { sha256_hex("s3cr3t-$_") } 1, 2;
my $http = <<"END";
log_format sums 'id=\$ai_request_id team=\$ai_team model=\$ai_served_model '
                'account=\$ai_account in=\$ai_input_tokens '
                'out=\$ai_output_tokens cost=\$ai_cost_usd';
access_log $tmp/access.log sums;
ai_usage redis://127.0.0.1:\$TEST_NGINX_REDIS_PORT/0;
ai_key one hash=sha256:$hash[0] team=search;
ai_key two hash=sha256:$hash[1] team=data;
ai_price * input=1.5 output=7.25;
ai_class default { max_wait off; retry_same off; }
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:\$TEST_NGINX_PROVIDER_B; keepalive 16;
    ai_account provider=openai base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route n { target b model=other; }
END

check_blocks(http => $http, reset => [qw(a b)], perl => sub { eval shift },
             before => sub { redis_cli('FLUSHALL'); unlink "$tmp/usage.db";
                             truncate "$tmp/access.log", 0 });

# requests of both keys, for both models, of which some have two attempts
sub traffic {
    my $n = shift;

    provider_fault('a', "times=1 status=500\ntimes=3 ok\n" x 8);
    my @r = map { ask(model => $_ % 3 ? 'm' : 'n', stream => $_ % 2,
                      head => 'Authorization: Bearer s3cr3t-'
                              . (1 + $_ % 2) . "\r\n") } 1 .. $n;
    is(statuses(@r), "200:$n", "$n requests");
}

# what the gateway itself says, by team, model and account; what failed had no
# tokens here
sub told {
    my %sum;

    for (split /\n/, slurp_lines("$tmp/access.log")) {
        my %w = /(\w+)=(\S+)/g;
        next if $w{team} eq '-';
        my $s = $sum{"$w{team},$w{model},$w{account}"} ||= [0, 0, 0, 0];

        $s->[0]++;
        $s->[1] += $w{in};
        $s->[2] += $w{out};
        $s->[3] += sprintf '%.0f', $w{cost} * 1e9;
    }
    return \%sum;
}

sub consume {
    my ($name, @more) = @_;
    my $pid = fork;

    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        open STDOUT, '>', "$tmp/$name.out";
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec';
          exec 'python3', $consumer, '--redis', "redis://127.0.0.1:$redis_port",
               '--db', "$tmp/usage.db", '--consumer', $name, @more; }
        POSIX::_exit(127);
    }
    return $pid{$name} = $pid;
}

# the exit code of one that ends by itself, within ten seconds
sub code {
    my $pid = delete $pid{ $_[0] };
    my $done = wait_for(10, sub { waitpid($pid, POSIX::WNOHANG()) == $pid });

    return $done ? $? >> 8 : 'still running';
}

# the export's sums, and the requests and attempts without tokens apart
sub stored {
    my %sum;

    system('python3', $consumer, '--db', "$tmp/usage.db", '--csv',
           "$tmp/usage.csv") == 0 or die "no export\n";
    my ($head, @rows) = split /\n/, slurp("$tmp/usage.csv");
    is($head, 'day,team,model,account,requests,ok,input_tokens,'
              . 'output_tokens,cost_usd', 'its head');

    for (@rows) {
        my ($day, $team, $model, $account, $n, $ok, $in, $out, $usd)
            = split /,/, $_, -1;
        my $s = $sum{"$team,$model,$account"} ||= [0, 0, 0, 0];

        $s->[0] += $n;
        $s->[1] += $in || 0;
        $s->[2] += $out || 0;
        $s->[3] += sprintf '%.0f', ($usd || 0) * 1e9;
    }

    # accounts that failed alone
    delete @sum{ grep { !$sum{$_}[0] && !$sum{$_}[3] } keys %sum };
    return \%sum;
}

sub sql {
    open my $fh, '-|', 'python3', '-c', 'import sqlite3, sys
try:
    for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(*row)
except sqlite3.OperationalError:
    print(-1)       # the table is not there yet
', "$tmp/usage.db", $_[0] or die "python3: $!\n";
    local $/;
    return scalar <$fh>;
}

# keeps the database for itself until it is ended
sub lock_database {
    my $pid = fork;

    if ($pid == 0) {
        { no warnings 'exec';
          exec 'python3', '-c', 'import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open(sys.argv[2], "w").close()
time.sleep(30)', "$tmp/usage.db", "$tmp/locked"; }
        POSIX::_exit(127);
    }
    $pid{lock} = $pid;
    wait_for(5, sub { -f "$tmp/locked" }) or die "not locked\n";
}

# a new one, written to by another process for so many seconds: the mode of
# its journal cannot be changed meanwhile
sub write_database {
    my $pid = fork;

    if ($pid == 0) {
        { no warnings 'exec';
          exec 'python3', '-c', 'import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("CREATE TABLE other (x)")
db.execute("BEGIN IMMEDIATE")
db.execute("INSERT INTO other VALUES (1)")
open(sys.argv[2], "w").close()
time.sleep(float(sys.argv[3]))
db.execute("COMMIT")', "$tmp/usage.db", "$tmp/written", $_[0]; }
        POSIX::_exit(127);
    }
    $pid{writer} = $pid;
    wait_for(5, sub { -f "$tmp/written" }) or die "not written to\n";
}

sub end {
    my ($name, $signal) = @_;
    my $pid = delete $pid{$name};

    kill $signal, $pid;
    waitpid $pid, 0;
}

sub pending { return 0 + (redis_cli('XPENDING', 'ai:usage', 'billing')
                          =~ /^(\d+)/)[0] }

END { kill 'KILL', values %pid if %pid }

run_tests();

__DATA__

=== TEST 1: all that is there, once
--- check
traffic(24);
wait_for(3, sub { redis_cli('XLEN', 'ai:usage') >= 24 });
sleep 0.2;
consume('c1', '--once');
is(code('c1'), 0, 'it ends by itself');
my $sums = stored();
is_deeply($sums, told(), 'the sums are those of the access log');
cmp_ok(scalar keys %$sums, '>=', 5, 'two teams, two models, two accounts');
is(sql("SELECT count(*) FROM usage WHERE kind = 'attempt'") + 0,
   2 * grep({ $_->{kind} eq 'request' && $_->{attempts} == 2 } usage_entries()),
   'attempts, too');
is(pending(), 0, 'all is acknowledged');
consume('c1', '--once');
is(code('c1'), 0, 'once more');
like(slurp("$tmp/c1.out"), qr/ 0 records read/, 'nothing is left');



=== TEST 2: entries that come twice
--- check
traffic(12);
my @e = usage_entries('ai:usage', 12);
for my $e (@e[0 .. 7]) {
    my %copy = %$e;
    delete $copy{id};
    redis_cli('XADD', 'ai:usage', '*', %copy);
}
consume('c1', '--once', '--batch', 5);
is(code('c1'), 0, 'it ends');
is_deeply(stored(), told(), 'the sums have each once');
like(slurp("$tmp/c1.out"), qr/ (\d+) records read, (\d+) of them new/, 'read');
my ($read, $new) = slurp("$tmp/c1.out") =~ / (\d+) records read, (\d+) of/;
is($read - $new, 8, 'eight were dropped');



=== TEST 3: one is killed between reading and storing
--- check
consume('c1', '--once');
is(code('c1'), 0, 'a database');
lock_database();
consume('dead', '--batch', 7);
traffic(30);
ok(wait_for(5, sub { pending() > 0 }), 'it has taken some');
end('dead', 'KILL');
my $taken = pending();
cmp_ok($taken, '>', 0, 'and not acknowledged them');
end('lock', 'KILL');
consume('c2', '--idle', 300);
ok(wait_for(8, sub { pending() == 0
                     && sql('SELECT count(*) FROM usage')
                        == redis_cli('XLEN', 'ai:usage') }),
   'another one takes them over');
# as it reads on, more come
traffic(12);
ok(wait_for(5, sub { sql('SELECT count(*) FROM usage')
                     == redis_cli('XLEN', 'ai:usage') }), 'and what is new');
kill 'TERM', $pid{c2};
is(code('c2'), 0, 'it ends in order');
like(slurp("$tmp/c2.out"), qr/ $taken taken over/, "$taken were taken over");
is_deeply(stored(), told(), 'the sums are right');
is(pending(), 0, 'all is acknowledged');



=== TEST 4: two at a time, while Redis restarts
--- check
consume('c1', '--batch', 3);
consume('c2', '--batch', 3);
traffic(15);
ok(wait_for(5, sub { sql('SELECT count(*) FROM usage')
                     == redis_cli('XLEN', 'ai:usage') }), 'stored');
# the new one is empty and knows of no group
redis_stop('KILL');
redis_start();
traffic(15);
ok(wait_for(8, sub { redis_cli('XLEN', 'ai:usage') >= 15
                     && sql('SELECT count(*) FROM usage') >= 30
                     && pending() == 0 }), 'they come back by themselves');
sleep 0.3;
kill 'TERM', @pid{qw(c1 c2)};
is(code($_), 0, "$_ ends in order") for qw(c1 c2);
is_deeply(stored(), told(), 'the sums are right');
like(slurp("$tmp/$_.out"), qr/ [1-9]\d* of them new/, "$_ has had a part")
    for qw(c1 c2);



=== TEST 5: a survivor's word gives way to the worker's own
--- check
for my $lost (0, 1) {
    my @word = ([qw(outcome ok input_tokens 7 cost_nanousd 70)],
                [qw(outcome error error_class worker_lost cost_nanousd 99)]);
    for my $w ($lost ? reverse @word : @word) {
        redis_cli('XADD', 'ai:usage', '*', 'v', 1, 'event_id',
                  ($lost x 32) . '/0', qw(kind request ts_ms 1 attempts 1),
                  @$w);
    }
}
consume('c1', '--once');
is(code('c1'), 0, 'it ends');
is(sql('SELECT outcome, input_tokens, cost_nanousd, error_class FROM usage'),
   "ok 7 70 None\n" x 2, 'whichever comes first');



=== TEST 6: one that starts while another one is making the database
--- check
traffic(6);
write_database(1.5);
consume($_, '--once', '--batch', 2) for qw(c1 c2 c3);
is(code($_), 0, "$_ has waited") for qw(c1 c2 c3);
is(code('writer'), 0, 'the other one has finished');
is_deeply(stored(), told(), 'the sums are right');
is(pending(), 0, 'all is acknowledged');



=== TEST 7: a sum of more than 63 bits
--- check
redis_cli('XADD', 'ai:usage', '*', v => 1, event_id => "$_/0",
          kind => 'request', ts_ms => 0, model_served => 'm', account => 'a',
          attempts => 1, outcome => 'ok',
          cost_nanousd => '9223372036854775807')
    for 'x', 'y';
consume('c1', '--once');
is(code('c1'), 0, 'it ends');
stored();
like(slurp("$tmp/usage.csv"),
     qr/^1970-01-01,,m,a,2,2,,,18446744073\.709551614$/m, 'both of them');



=== TEST 8: entries that are no records
--- check
redis_cli('XADD', 'ai:usage', '*', @$_)
    for [qw(event_id x/0 kind request ts_ms abc)], [qw(hello world)],
        [qw(event_id y/0 kind request ts_ms), '9' x 30],
        [qw(event_id z/0 kind request ts_ms 1)];
consume('c1', '--once');
is(code('c1'), 0, 'it ends');
is(sql('SELECT event_id FROM usage'), "z/0\n", 'the record is stored');
is(pending(), 0, 'the others do not come again');
is(scalar(() = slurp("$tmp/c1.out") =~ /is no record, it is passed over/g), 3,
   'and are told of');
