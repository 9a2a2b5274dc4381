# Copyright (C) nginx-ai-route contributors

# A disk that is full, or takes no more for other reasons: what is dropped is
# counted and said, and nobody waits for it.

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

my $tmp = tmp_dir();
my $disk = "$tmp/disk";
my $mounted;

mkdir $disk;

# small disks of memory; without root these blocks have nothing to check
sub disk {
    my $size = shift;

    $mounted = $> == 0
               && system("mount -t tmpfs -o size=$size,mode=0755 none $disk"
                         . ' 2>/dev/null') == 0;
    return $mounted;
}

sub umount { system("umount $disk") == 0 or die "umount\n"; $mounted = 0 }

END { system("umount -l $disk") if $mounted && defined $disk }

spool_blocks(perl => sub { eval shift });

my $long = 'm-' . 'x' x 240;

sub long_load { return load(rate => 400, each => sub { (model => $long) }, @_) }

sub dropped {
    return log_sum(qr/ai usage: (\d+) records dropped/)
           + log_sum(qr/, (\d+) dropped before/)
           + log_sum(qr/ai usage: (\d+) records lost as/);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a full disk
--- folder: $TEST_NGINX_TMP/disk/spool
--- usage: queue=1m
--- lossy
--- check
nginx_stop('QUIT');
SKIP: {
    skip('needs root and tmpfs', 1) unless disk('4m');
    redis_stop();

    # two queues of 1m, this, and a little
    open my $fh, '>', "$disk/other" or die;
    print $fh 'x' x 1_600_000;
    close $fh;
    nginx_start();

    my @r = long_load(seconds => 6);
    AISpool::served(@r);

    # there is room again: nothing is dropped from now on
    unlink "$disk/other";
    sleep 1.2;
    my @more = long_load(seconds => 1);
    AISpool::served(@more);

    redis_start();
    wait_for(15, sub { !files('log') });
    nginx_stop('QUIT');

    my $records = records();
    my %id = map { $_->{request_id} => 1 } values %$records;
    my $n = keys %$records;

    is(join(' ', grep { !$id{$_} } map { $_->{id} } @more), '',
       'none of the later ones is missing');
    cmp_ok(dropped(), '>', 0, 'some were dropped');
    is($n + dropped(), @r + @more, 'as many as were counted');
    is(duplicates(), 0, 'no duplicates');
    like(slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log"),
         qr/write\(\) in "\S+" failed, .*No space left/, 'it was said');
    like(slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log"),
         qr/disk\/spool" takes records again/, 'and when it was over');
    umount();
}
nginx_start();
--- timeout: 40



=== TEST 2: no room for the queue itself: the worker's own memory
--- folder: $TEST_NGINX_TMP/disk/spool
--- usage: queue=1m
--- check
nginx_stop('QUIT');
SKIP: {
    skip('needs root and tmpfs', 1) unless disk('800k');
    redis_stop();
    nginx_start();

    # what waits is in logs a second later, and survives a kill then
    my @r = asks(20);
    sleep 1.5;
    kill_workers();
    push @r, asks(20);

    # and an orderly end in any case
    nginx_stop('QUIT');
    is(join(' ', files('mem')), '', 'no memory in files');
    nginx_start();
    redis_start();
    recorded('all', @r);
    is(duplicates(), 0, 'no duplicates');

    kill 'STOP', redis_pid();
    push @r, asks(20);
    nginx_stop('TERM');
    kill 'CONT', redis_pid();
    nginx_start();
    recorded('those of the end, too', @r);
    ok(wait_for(5, sub { !files() }), 'no file is left');
    like(slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log"),
         qr/the queue is not in ".*": there is no room for it/, 'it was said');
    nginx_stop('QUIT');
    umount();
}
nginx_start();
--- log_ok chomp
exited on signal 9
--- timeout: 30



=== TEST 3: spool_max=
--- usage: queue=1m spool_max=1m
--- lossy
--- check
redis_stop();
my @r = long_load(seconds => 9);
AISpool::served(@r);
my $size = 0;
$size += -s folder() . "/$_" for files('log');
# two workers, which look once a second; it would be 4 MB and more
cmp_ok($size, '<', 2_500_000, 'not much more than allowed');
cmp_ok($size, '>', 900_000, 'and not less');
redis_start();
wait_for(15, sub { !files('log') });
nginx_stop('QUIT');
cmp_ok(dropped(), '>', 0, 'some were dropped');
is(scalar(keys %{ records() }) + dropped(), @r, 'as many as were counted');
nginx_start();
--- error_log
write beyond spool_max= in
--- timeout: 40



=== TEST 4: no file may be larger than that
# queue=1m itself may; each log is given up for another one
--- usage: queue=1m
--- check
nginx_stop('QUIT');
redis_stop();
local $SIG{XFSZ} = 'DEFAULT';
nginx_start('prlimit', '--fsize=1048576');
my @r = long_load(seconds => 9);
AISpool::served(@r);
cmp_ok(scalar(files('log')), '>=', 1, 'logs');
redis_start();
recorded('all', @r);
nginx_stop('QUIT');
nginx_start();
--- timeout: 40



=== TEST 5: a folder that is gone
--- check
redis_stop();
rename folder(), folder() . '.gone' or die;
# their successors have their queues in their own memory
kill_workers();
my @r = asks(10);
sleep 1.2;
redis_start();
recorded('without a disk', @r);
like(slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log"),
     qr/the queue is not in ".*": the file cannot be made; .*No such file/,
     'it was said');
rename folder() . '.gone', folder() or die;
--- log_ok chomp
exited on signal 9
