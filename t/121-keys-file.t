# Copyright (C) nginx-ai-route contributors

# keys.json is read again when it changes: in every worker, within five
# seconds, without a reload, as a whole or not at all.

use lib 't/lib';
use AIRoute providers => ['a'], redis => 1;
use Test::Nginx::Socket 'no_plan';

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();
my $file = "$tmp/keys.json";
my $json = JSON::PP->new->utf8->canonical;

$ENV{TEST_NGINX_OWN} = free_port();

sub hash { return 'sha256:' . sha256_hex("s3cr3t-$_[0]") }

# an entry: "name", or [name => member => value, ...]
sub entry {
    my ($name, %more) = ref $_[0] ? @{ $_[0] } : $_[0];

    return $json->encode({ id => $name, hash => hash($name), %more });
}

sub keys_json { return "{\"keys\":[\n" . join(",\n", map { entry($_) } @_)
                       . "\n]}\n" }

sub keys_are { deploy($file, @_) }

# connections are spread over the workers by the kernel
my $http = <<'END';
ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=ai:usage;
ai_keys $TEST_NGINX_TMP/keys.json;
ai_key inline hash=%INLINE%;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=openai base=http://a.test/v1; }
ai_class slow { }
ai_route m n { target a; }
server {
    listen 127.0.0.1:$TEST_NGINX_OWN reuseport;
    add_header X-Worker $pid always;
    location /v1/ { ai_pass; }
}
END
$http =~ s/%INLINE%/hash('inline')/e;

add_block_preprocessor(sub {
    my $block = shift;

    keys_are(keys_json('one'));

    $block->set_value('http_config', "# @{[$block->name]}\n$http");
    $block->set_value('config', "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
    $block->set_value('no_error_log', [qr/s3cr3t/, qr/sha256:[0-9a-f]{64}/]);
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run || !defined $block->check;

    provider_reset('a');
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

# (worker, status, answer)
sub ask {
    my ($key, $model) = @_;
    my $answer = HTTP::Tiny->new(keep_alive => 0)->post(
        "http://127.0.0.1:$ENV{TEST_NGINX_OWN}/v1/chat/completions",
        { headers => { 'Content-Type' => 'application/json',
                       'api-key' => "s3cr3t-$key" },
          content => '{"model":"' . ($model || 'm') . '","messages":[]}' });

    return ($answer->{headers}{'x-worker'}, $answer->{status}, $answer);
}

# both workers answer so to each of these keys, in 20 requests in a row
sub in_force {
    my ($seconds, %want) = @_;

    return wait_for($seconds, sub {
        for my $key (sort keys %want) {
            my %seen;

            for (1 .. 20) {
                my ($worker, $status) = ask($key);
                return if $status != $want{$key};
                $seen{$worker} = 1;
            }
            return if keys %seen != 2;
        }
        return 1;
    });
}

sub log_count {
    my $pattern = shift;

    return scalar(() = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log")
                       =~ /$pattern/g);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: added, disabled, restricted, removed
--- check
ok(in_force(3, one => 200, inline => 200, two => 401), 'at start');
keys_are(keys_json('one', 'two'));
ok(in_force(5, one => 200, two => 200), 'added');
keys_are(keys_json(['one', disabled => JSON::PP::true], 'two'));
ok(in_force(5, one => 401, two => 200), 'disabled');
keys_are(keys_json(['one', models => ['n']], 'two'), over => 1);
ok(in_force(5, one => 403, two => 200), 'restricted, written over');
keys_are(keys_json('two'));
ok(in_force(5, one => 401, two => 200, inline => 200), 'removed');
keys_are("{\"keys\":[]}");
ok(in_force(5, two => 401, inline => 200), 'all of them removed');
ok(log_count('\[notice\].*the list of client keys was read again from '
             . '"[^"]*/keys\.json", \d+ bytes in 1 slices') >= 10,
   'each worker said so');
is(log_count('\[(?:warn|error)\]'), 0, 'and nothing else');



=== TEST 2: same size, same second, same inode
--- check
ok(in_force(3, one => 200), 'at start');
keys_are(keys_json('two'), over => 1);
ok(in_force(5, one => 401, two => 200), 'written over at once');



=== TEST 3: a touched file is no news
--- check
sleep 4;
my $said = log_count('was read again');
utime undef, undef, $file;
sleep 3;
ok(in_force(3, one => 200), 'in force');
is(log_count('was read again'), $said, 'nothing is said');



=== TEST 4: what is wrong with a file is said once, with its line
--- check
my $good = entry('one');
for (['{"keys":[', 1, 'it is no valid JSON'],
     ['', 1, 'it is no valid JSON'],
     ["{\"keys\":[\n$good,\n" . entry('one') . ']}', 3,
      'key "one" is duplicate, the first begins at line 2'],
     ["{\"keys\":[\n" . entry('inline') . ']}', 2,
      'key "inline" is duplicate, the first is an "ai_key"'],
     ["{\"keys\":[\n$good,\n\n{\"id\":\"x\",\"hash\":\"" . hash('one')
      . '"}]}', 4, 'keys "one" and "x" have the same hash'],
     ["{\"keys\":[\n{\"id\":\"x\",\"hash\":\"" . hash('inline') . '"}]}', 2,
      'keys "inline" and "x" have the same hash'],
     [keys_json(['x', classes => ['fast']]), 2,
      'unknown class "fast" of key "x", known are: default, slow'],
     [keys_json(['x', default_class => 'fast']), 2,
      'unknown class "fast" of key "x", known are: default, slow'],
     [keys_json('two', ['x', concurrent => -1]), 3,
      '"concurrent" of the key that begins at line 3 is not a whole number'],
     [keys_json('two', ['x', requests => '99999999999999r/s']), 3,
      '"requests" of key "x" is zero or too large'],
     ["{\"keys\":[{\"id\":\"x\",\"hash\":\"s3cr3t\"}]}", 1,
      '"hash" of key "x" is not of this form'])
{
    my ($content, $line, $wrong) = @$_;
    my $said = qr/\[error\]\ .*list\ of\ client\ keys\ stays\ as\ it\ was,
                  \ "[^"]*"\ is\ wrong\ at\ line\ $line:\ \Q$wrong\E/x;
    my $before = log_count($said);

    keys_are($content);
    ok(wait_for(5, sub { log_count($said) == $before + 2 }),
       "$wrong: said by both workers");
    ok(in_force(0, one => 200, inline => 200, two => 401, x => 401),
       "$wrong: the keys in force stay");
}
my $said = log_count('stays as it was');
sleep 4;
is(log_count('stays as it was'), $said, 'said once');
is($said, 22, 'by each worker, each time');
keys_are(keys_json('one', 'two'));
ok(in_force(5, one => 200, two => 200), 'a good one is taken');
keys_are(keys_json('one'));
ok(in_force(5, one => 200, two => 401), 'and the next one');



=== TEST 5: mended without a change of the keys
--- check
keys_are('{"keys":');
ok(wait_for(5, sub { log_count('stays as it was') == 2 }), 'broken');
keys_are(keys_json('one'));
ok(wait_for(5, sub { log_count('holds the list of client keys again') == 2 }),
   'the same keys again');
ok(in_force(0, one => 200), 'in force');



=== TEST 6: a file that is gone, a folder, the file again
--- check
unlink $file;
ok(wait_for(5, sub { log_count('cannot be found') == 2 }), 'gone: logged');
ok(in_force(0, one => 200, inline => 200), 'the keys stay');
mkdir $file;
ok(wait_for(5, sub { log_count('is not a regular file') == 2 }),
   'folder: logged');
ok(in_force(0, one => 200), 'the keys stay');
rmdir $file;
keys_are(keys_json('two'));
ok(in_force(5, one => 401, two => 200), 'another file is taken');



=== TEST 7: a file that is written slowly
--- check
my $content = keys_json('two', map { "k$_" } 1 .. 300);
open my $fh, '>', $file or die;
$fh->autoflush(1);
my $step = int(length($content) / 60);
for (my $i = 0; $i < length $content; $i += $step) {
    print $fh substr $content, $i, $step;
    sleep 0.05;
}
close $fh;
ok(in_force(5, one => 401, two => 200, k300 => 200), 'in force in the end');



=== TEST 8: a request keeps its key while the keys change
--- check
keys_are(keys_json(['one', team => 'old-team']));
ok(wait_for(5, sub { log_count('was read again') == 2 }), 'at start');
provider_fault('a', 'delay=4000');
my $pid = fork;
if ($pid == 0) {
    my (undef, $status) = ask('one');
    POSIX::_exit($status == 200 ? 0 : 1);
}
sleep 0.5;
keys_are(keys_json(['two', team => 'new-team']));
ok(wait_for(5, sub { log_count('was read again') >= 4 }), 'changed');
provider_fault('a', '');
ok(in_force(5, one => 401, two => 200), 'another key is in force');
waitpid $pid, 0;
is($?, 0, 'the request was served');
my ($entry) = grep { ($_->{team} || '') eq 'old-team' }
              usage_entries('ai:usage');
is($entry->{status}, 200, 'and recorded with what its key said');
is($entry->{key_id}, 'one', 'and with its id');



=== TEST 9: a key whose time runs out
--- check
my $at = POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 6));
keys_are(keys_json(['short', expires => $at]));
ok(in_force(5, short => 200), 'before');
ok(in_force(8, short => 401), 'after');
my (undef, undef, $answer) = ask('short');
like($answer->{content}, qr/the API key has expired/, 'says so');
is(log_count('\[error\]'), 0, 'that is no news of the file');



=== TEST 10: a worker that replaces a dead one begins with the file
--- check
keys_are(keys_json('two'));
ok(in_force(5, two => 200), 'in both workers');
my ($worker) = ask('two');
kill 'KILL', $worker;
ok(wait_for(5, sub { my ($w) = ask('two'); defined $w && $w != $worker }),
   'gone');
ok(in_force(5, one => 401, two => 200), 'and the new one, too');
--- log_ok: exited on signal 9



=== TEST 11: Redis is no part of it
--- check
redis_stop('KILL');
ok(in_force(3, one => 200, two => 401), 'without Redis');
keys_are(keys_json('two'));
ok(in_force(5, one => 401, two => 200), 'a change, too');
redis_start();
--- log_ok: \[(?:error|warn)\]



=== TEST 12: a reload takes the file as it is
--- check
keys_are(keys_json('two'));
my $pid = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/nginx.pid");
kill 'HUP', $pid;
ok(in_force(5, one => 401, two => 200), 'after a reload');
my @workers = map { (ask('two'))[0] } 1 .. 8;
keys_are('{"keys":{}}');
kill 'HUP', $pid;
ok(wait_for(5, sub { log_count('\[emerg\].*"[^"]*" of "ai_keys" is wrong at '
                               . 'line 1: "keys" is an object') == 1 }),
   'a broken file refuses the reload');
ok(in_force(3, one => 401, two => 200), 'and the keys stay');
--- log_ok: \[(?:emerg|error)\]
