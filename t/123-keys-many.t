# Copyright (C) nginx-ai-route contributors

# A hundred thousand keys are read between requests: in many slices, and no
# request waits for the file.

use lib 't/lib';
use AIRoute providers => ['a'];
use Test::Nginx::Socket 'no_plan';

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny ();
use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();
my $keys = 100_000;

sub key_file {
    my ($team, $to) = @_;

    open my $fh, '>', "$tmp/keys.json.new" or die "$tmp: $!\n";
    print $fh "{\"keys\":[\n";
    for my $n (1 .. $keys) {
        my $hash = $n % 1000 ? sprintf '%064x', $n * 7 + 1
                             : sha256_hex("s3cr3t-$n");
        print $fh qq({"id":"client-$n","hash":"sha256:$hash",),
                  qq("app":"app-$n","team":"$team","env":"prod",),
                  qq("classes":["slow"],"models":["m*","x"],),
                  qq("requests":"600r/m","tokens":"1000000t/m",),
                  qq("concurrent":20,"budget":[{"usd":100,"per":"month"}],),
                  qq("expires":"2999-01-01T00:00:00Z","disabled":false}),
                  $n == $keys ? "\n" : ",\n";
    }
    print $fh "]}\n";
    close $fh;
    rename "$tmp/keys.json.new", $to || "$tmp/keys.json"
        or die "$tmp: $!\n";
}

add_block_preprocessor(sub {
    my $block = shift;

    key_file('first');

    $block->set_value('http_config', <<'END');
ai_price * input=1 output=1;
ai_keys $TEST_NGINX_TMP/keys.json;
ai_class slow { }
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=openai base=http://a.test/v1; }
ai_route m { target a; }
END
    $block->set_value('config', "location /v1/ { ai_pass; }\n"
        . "add_header X-Team \$ai_team;\nlocation = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
    $block->set_value('no_error_log', [qr/\[(?:warn|error)\]/]);
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run || !defined $block->check;

    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

# (status, team, seconds)
sub models {
    my $start = time;
    my $answer = HTTP::Tiny->new->get(
        'http://127.0.0.1:' . server_port() . '/v1/models',
        { headers => { 'x-api-key' => "s3cr3t-$_[0]" } });

    return ($answer->{status}, $answer->{headers}{'x-team'} || '',
            time - $start);
}

timeout(60);
no_long_string();
run_tests();

__DATA__

=== TEST 1: read again in slices, while requests are answered
--- check
for my $n (1000, 50_000, 100_000) {
    is_deeply([(models($n))[0, 1]], [200, 'first'], "client-$n comes in");
}
is((models(999))[0], 401, 'a stranger does not');
my $log = "$ENV{TEST_NGINX_SERVROOT}/logs/error.log";

# until the file is too old to be read a second time for safety
sleep 6;
my $before = () = slurp($log) =~ /was read again/g;
key_file('second');
my ($n, $longest, $start) = (0, 0, time);
ok(wait_for(20, sub {
    my ($status, $team, $took) = models(1000);
    $n++;
    $longest = $took if $took > $longest;
    $status == 200 or die "$status while the file is read\n";
    return $team eq 'second';
}), 'the new keys are in force');
my $seconds = time - $start;
my @said = slurp($log) =~ /was\ read\ again.*,\ (\d+)\ bytes\ in\ (\d+)
                           \ slices\ of\ at\ most\ (\d+)\ us/gx;
is(@said / 3, $before + 1, 'read once, and said so');
my ($bytes, $slices, $us) = @said[-3 .. -1];
is($bytes, -s "$tmp/keys.json", 'all of it');
ok($slices > 30, "in many slices: $slices");
ok($us < 100_000, 'and none of them long');
diag(sprintf '%d keys, %.1f MB: %d slices, the longest %.1f ms; in force '
             . 'after %.1f s; %d requests meanwhile, the slowest %.1f ms',
     $keys, $bytes / 1e6, $slices, $us / 1000, $seconds, $n,
     $longest * 1000);
for my $n (1000, 50_000, 100_000) {
    is_deeply([(models($n))[0, 1]], [200, 'second'], "client-$n is another");
}



=== TEST 2: the memory of old sets comes back
--- check
my $pid = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/nginx.pid") + 0;
my $rss = sub {
    my ($w) = split ' ', slurp("/proc/$pid/task/$pid/children");
    return slurp("/proc/$w/status") =~ /^VmRSS:\s+(\d+)/m ? $1 / 1024 : 0;
};
my @rss;
for my $team (qw(second third fourth fifth)) {
    key_file($team);
    ok(wait_for(20, sub { (models(1000))[1] eq $team }), "$team is in force");
    sleep 1;
    push @rss, $rss->();
}
diag('MB of the worker after each: ' . join ' ', map { int } @rss);
SKIP: {
    skip('the sanitizer keeps what was freed', 1) if $ENV{AI_ROUTE_ASAN};
    ok($rss[3] < $rss[1] * 1.5, 'it does not grow');
}



=== TEST 3: written over in place while it is read: never half of it
--- check
key_file('other', "$tmp/other");
my $other = slurp("$tmp/other");
is(length $other, -s "$tmp/keys.json", 'of the same size');
is((models(100_000))[1], 'first', 'at start');
open my $fh, '+<', "$tmp/keys.json" or die;
my ($half, $step) = (0, 200_000);
for (my $i = 0; $i < length $other; $i += $step) {
    syswrite $fh, $other, $step, $i;
    sleep 0.02;
    # the second answer may be of a newer set, not of an older one
    $half++ if (models(1000))[1] eq 'other'
               && (models(100_000))[1] eq 'first';
}
close $fh;
is($half, 0, 'all of a set or nothing');
ok(wait_for(10, sub { (models(100_000))[1] eq 'other' }), 'then all of it');
