# Copyright (C) nginx-ai-route contributors

# Records outlive nginx: stopped in order or killed, with Redis or without.

BEGIN {
    unless (grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => ['a'], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AIClient;
use AISpool;
use AIWorkers;

use Time::HiRes qw(time sleep);

workers(2);

spool_blocks(perl => sub { eval shift });

# kill -9 of everybody, or of these
sub kill_all {
    my ($master) = AIRoute::slurp("$ENV{TEST_NGINX_SERVROOT}/logs/nginx.pid")
                   =~ /(\d+)/;
    my @pids = (workers_now(), $master);

    kill 'KILL', @pids;
    wait_for(5, sub { !grep { kill 0, $_ } @pids }) or die "still there\n";
    unlink "$ENV{TEST_NGINX_SERVROOT}/logs/nginx.pid";
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: QUIT while Redis is away
--- check
redis_stop();
my @r = asks(30);
cmp_ok(nginx_stop('QUIT'), '<', 3, 'it does not stay for Redis');
ok(scalar(files('mem')), 'files stay');
nginx_start();
push @r, asks(5);
redis_start();
recorded('after the restart', @r);
is(duplicates(), 0, 'no duplicates');
--- error_log eval
qr/records stay in "/



=== TEST 2: TERM while Redis is away, and the load goes on to the end
--- check
redis_stop();
my @r = load(rate => 200, seconds => 1.5,
             at => [[1.4, sub { nginx_signal('TERM') }]]);
ok(wait_for(4, \&nginx_is_gone), 'it is gone');
my @served = grep { $_->{status} == 200 && $_->{complete} } @r;
cmp_ok(scalar @served, '>', 200, 'most were served');
nginx_start();
redis_start();
# those that broke off have records, too
wait_for(10, sub { keys %{ records() } >= @served });
sleep 0.5;
my %id = map { $_->{request_id} => 1 } values %{ records() };
is(join(' ', grep { !$id{$_} } map { $_->{id} } @served), '',
   'all that were served are recorded');
is(duplicates(), 0, 'no duplicates');



=== TEST 3: QUIT while all is well leaves nothing
--- check
my @r = asks(20);
nginx_stop('QUIT');
recorded('at the end', @r);
is(join(' ', files()), '', 'no file is left');
nginx_start();



=== TEST 4: other names: stream and limit are those of the replay
--- check
redis_stop();
my @r = asks(10);
nginx_stop('TERM');
nginx_conf(sub { s/spool=/stream=other maxlen=0 spool=/ });
nginx_start();
redis_start();
wait_for(10, sub { usage_entries('other') >= 10 });
my %id = map { $_->{request_id} => 1 } usage_entries('other');
is(join(' ', grep { !$id{$_} } map { $_->{id} } @r), '', 'in the new stream');
is(scalar(usage_entries('other')), 10, 'each once');
is(scalar(usage_entries()), 0, 'none in the old one');



=== TEST 5: workers are killed while Redis hangs
--- check
my @r = asks(5);
recorded('before', @r);
kill 'STOP', redis_pid();
# a connection takes 512 at once, and Redis reads what it has got: more
push @r, load(rate => 600, seconds => 2.5);
AISpool::served(@r);
sleep 0.1;
kill_workers();
push @r, asks(10);
kill 'CONT', redis_pid();
recorded('others have sent them', @r);
--- log_ok chomp
exited on signal 9



=== TEST 6: workers are killed while Redis is away
--- usage: queue=1m
--- check
redis_stop();
my $long = 'm-' . 'x' x 240;
my @r = load(rate => 400, seconds => 5, each => sub { (model => $long) });
ok(scalar(files('log')), 'there are logs');
sleep 0.1;
kill_workers();
push @r, asks(10);
redis_start();
recorded('all', @r);
is(duplicates(), 0, 'no duplicates');
ok(wait_for(5, sub { files() == 2 }), 'no file is left but of two workers');
--- log_ok chomp
exited on signal 9
--- timeout: 30



=== TEST 7: workers are killed during the replay
--- usage: queue=1m
--- check
redis_stop();
my $long = 'm-' . 'x' x 240;
my @r = load(rate => 400, seconds => 6, each => sub { (model => $long) });
redis_start();
# a little of the logs is replayed
wait_for(5, sub { keys %{ records() } > 1200 });
kill_workers();
recorded('all', @r);
# no more than two slices and what two connections had in flight
cmp_ok(duplicates(), '<=', 300, 'few twice');
ok(wait_for(5, sub { files() == 2 }), 'no file is left but of two workers');
--- log_ok chomp
exited on signal 9
--- timeout: 30



=== TEST 8: everybody is killed, the master first of all
--- check
redis_stop();
my @r = asks(40);
my ($master) = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/nginx.pid") =~ /(\d+)/;
my @old = workers_now();
kill 'KILL', $master;
sleep 0.2;
# the workers do not notice
push @r, asks(20);
# a record is made when the client has its answer
sleep 0.1;
kill 'KILL', @old;
wait_for(5, sub { !grep { kill 0, $_ } @old });
unlink "$ENV{TEST_NGINX_SERVROOT}/logs/nginx.pid";
nginx_start();
push @r, asks(5);
redis_start();
recorded('all', @r);
is(duplicates(), 0, 'no duplicates');
--- log_ok chomp
exited on signal 9



=== TEST 9: damage costs what is damaged
--- usage: queue=1m
--- check
redis_stop();
my $long = 'm-' . 'x' x 240;
my @r = load(rate => 400, seconds => 5, each => sub { (model => $long) });
nginx_stop('TERM');
my ($log) = files('log');
my $path = folder() . "/$log";
my $size = -s $path;

open my $fh, '+<', $path or die "$path: $!\n";
# a byte of a record, a stretch of three or four, and the end
seek $fh, 2000, 0;
print $fh chr 255;
seek $fh, 20000, 0;
print $fh "\0" x 4000;
close $fh;
truncate $path, $size - 100;

nginx_start();
redis_start();
wait_for(20, sub { keys %{ records() } >= @r - 6 });
sleep 0.5;
my $n = keys %{ records() };
cmp_ok($n, '>=', @r - 7, 'six records are gone, or seven');
cmp_ok($n, '<=', @r - 4, 'and no less');
ok(wait_for(5, sub { !files('log') }), 'the log is gone');
--- error_log eval
qr/\.log" is damaged in 3 places, \d+ bytes of it were passed over/
--- timeout: 30



=== TEST 10: files that are none of ours are left alone
--- check
redis_stop();
my @r = asks(5);
nginx_stop('TERM');
for my $name ('README', '0000000000000000.1.1.txt', 'x.log') {
    open my $fh, '>', folder() . "/$name" or die;
    print $fh 'x' x 100;
    close $fh;
}
# and what has a name of ours, yet no record in it
open my $fh, '>', folder() . '/0000000000000000.1.1.log' or die;
print $fh 'x' x 100_000;
close $fh;
# the workers' owner
chown +(stat folder())[4, 5], folder() . '/0000000000000000.1.1.log';
nginx_start();
redis_start();
recorded('all', @r);
ok(wait_for(5, sub { !files('log') || files('log') == 1 }), 'one log');
is(join(' ', grep { !/mem$/ } files()),
   '0000000000000000.1.1.txt x.log', 'what was there');
--- error_log eval
qr/0\.1\.1\.log" is damaged in 1 places, 99976 bytes/
