# Copyright (C) nginx-ai-route contributors

# key=file: is read again when the file changes: in every worker, within five
# seconds, without a reload.  What is broken changes nothing, and a new
# credential opens the account that was closed for the old one.

use lib 't/lib';
use AIRoute providers => ['a'], key => [qw(s3cr3t-1 s3cr3t-2 s3cr3t-3)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient ();
use AILog;

use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();
my $key = "$tmp/key";

$ENV{TEST_NGINX_OWN} = free_port();
$ENV{TEST_NGINX_KEY} = $key;

# connections are spread over the workers by the kernel; unlike the other
# listening socket's, they do not all go to the one that is awake
my $http = <<'END';
ai_usage off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=openai base=http://a.test/v1 key=file:$TEST_NGINX_KEY;
}
ai_route m { target a; }
server {
    listen 127.0.0.1:$TEST_NGINX_OWN reuseport;
    add_header X-Worker $pid always;
    location /v1/ { ai_pass; }
}
END

check_blocks(http => sub {
                 key_is(defined $_[0]->first ? $_[0]->first : 's3cr3t-1');
                 return $http;
             },
             # no part of a credential, not even of a refused one
             no_error_log => [qr/s3cr3t/],
             reset => ['a'], perl => sub { eval shift });

sub key_is { deploy($key, @_) }

# (worker, status, credential that the provider saw)
sub ask {
    my $r = AIClient::ask(port => $ENV{TEST_NGINX_OWN});
    my $last = provider_get('a', '/__last');

    return ($r->{h}{'x-worker'}, $r->{status},
            $last =~ /Bearer (s3cr3t-\d|[^"]*)/ ? $1 : '');
}

# the workers that answer with this credential, until there are two and no
# other credential is seen in 12 requests
sub in_force {
    my ($want, $seconds) = @_;

    return wait_for($seconds, sub {
        my %seen;

        for (1 .. 12) {
            my ($worker, $status, $got) = ask();
            return if $status != 200 || $got ne $want;
            $seen{$worker} = 1;
        }
        return keys %seen == 2;
    });
}

# what root reads at start, the workers may not be able to read later
SKIP: {
    my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
    my $module = $ENV{TEST_NGINX_LOAD_MODULES};

    skip('workers have another user only below root', 1) if $<;

    key_is('s3cr3t-1');
    chmod 0600, $key;
    mkdir "$tmp/warn";
    open my $fh, '>', "$tmp/warn/nginx.conf" or die "$tmp/warn: $!\n";
    print $fh $module ? "load_module $module;\n" : '', <<"END";
pid $tmp/warn/pid;
error_log $tmp/warn/error.log;
events { }
http {
    upstream a { server 127.0.0.1:1;
        ai_account provider=openai base=http://a/v1 key=file:$key; }
    ai_route m { target a; }
}
END
    close $fh;
    # "nginx -t" ends without freeing anything
    local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} || (),
                                         'detect_leaks=0';
    my $said = `$nginx -t -p $tmp/warn/ -c nginx.conf 2>&1`;
    like($said, qr/\[warn\].*"\Q$key\E"\ is\ not\ readable\ by\ user\ "\w+"
                   \ of\ the\ workers.*\ in\ .*nginx\.conf:\d+/x,
         'a file that the workers cannot read is warned of');
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a new file is in force in both workers within five seconds
--- check
ok(in_force('s3cr3t-1', 3), 'both workers send the first');
key_is("s3cr3t-2\n");
ok(in_force('s3cr3t-2', 5), 'both workers send the second');
is(log_count('was read again from'), 2, 'each worker says so once');



=== TEST 2: same size, same second, same inode
--- check
ok(in_force('s3cr3t-1', 3), 'both workers send the first');
key_is('s3cr3t-2', over => 1);
ok(in_force('s3cr3t-2', 5), 'both workers send the second');
# its time of modification set back: nothing but the time of change tells
my $mtime = (stat $key)[9];
key_is('s3cr3t-3', over => 1);
utime $mtime, $mtime, $key;
ok(in_force('s3cr3t-3', 5), 'both workers send the third');



=== TEST 3: a touched file is no news
--- check
sleep 3;
utime undef, undef, $key;
sleep 3;
ok(in_force('s3cr3t-1', 3), 'both workers send the first');
is(log_count('was read again'), 0, 'nothing is said');



=== TEST 4: a broken file changes nothing, and is logged once per change
--- check
for (["s3cr3t-2\ns3cr3t-2\n", 'holds a blank'], ['', 'is empty'],
     ['s3cr3t-2' x 2049, 'is too large'],
     ["Bearer s3cr3t-2\n", 'holds a blank'])
{
    my ($content, $wrong) = @$_;
    my $before = log_count("stays as it was.*$wrong");

    key_is($content);
    ok(wait_for(5, sub {
        log_count("stays as it was.*$wrong") == $before + 2
    }), "$wrong: said by both workers");
    ok(in_force('s3cr3t-1', 0), "$wrong: the first is in force");
}
sleep 4;
is(log_count('stays as it was'), 8, 'said once by each worker, each time');
key_is('s3cr3t-2');
ok(in_force('s3cr3t-2', 5), 'a good one is taken');



=== TEST 5: a file that is gone, a folder, the same file again
--- check
unlink $key;
ok(wait_for(5, sub { log_count('cannot be found') == 2 }), 'gone: logged');
mkdir $key;
ok(wait_for(5, sub { log_count('is not a regular file') == 2 }),
   'folder: logged');
ok(in_force('s3cr3t-1', 0), 'the first is in force');
rmdir $key;
key_is('s3cr3t-1');
ok(wait_for(5, sub { log_count('holds the credential of account "a" again')
                     == 2 }), 'back: logged');
ok(in_force('s3cr3t-1', 0), 'the first is in force');
key_is('s3cr3t-2');
ok(in_force('s3cr3t-2', 5), 'a new one is taken');



=== TEST 6: an account that was closed for its credential opens with a new one
--- first: wrong
--- check
my ($worker, $status) = ask();
isnt($status, 200, 'the credential is refused');
my $n = requests('a');
ask() for 1 .. 6;
is(requests('a'), $n, 'the account is closed');
key_is('s3cr3t-3');
ok(in_force('s3cr3t-3', 5), 'it is open in both workers');
--- log_ok: \[error\]



=== TEST 7: a worker that replaces a dead one begins with the file
--- check
key_is('s3cr3t-2');
ok(in_force('s3cr3t-2', 5), 'both workers send the second');
my ($worker) = ask();
kill 'KILL', $worker;
ok(wait_for(5, sub { my ($w) = ask(); defined $w && $w != $worker }), 'gone');
ok(in_force('s3cr3t-2', 5), 'and the new one, too');
is(log_count('was read again'), 3, 'it read the file when it began');
--- log_ok: exited on signal 9



=== TEST 8: many changes
--- check
for my $n (1 .. 4) {
    my $want = 's3cr3t-' . ($n % 3 + 1);
    key_is($want);
    ok(in_force($want, 5), "change $n");
}
