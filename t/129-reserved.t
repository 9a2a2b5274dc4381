# Copyright (C) nginx-ai-route contributors

# What requests hold of limits and of money: in a full zone, in one that a
# reload has moved, and over endings that nobody wants.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();

my $http = <<'END';
ai_usage off;
ai_zone ai %s;
ai_price * input=1 output=10;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_class again { expose trail; max_wait off; retry_same last; }
%s
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; %s }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }
END

# each block has a folder of its own
sub folder { my ($n) = $_[0]->name =~ /TEST (\d+)/; return "$tmp/kept-$n" }

# n keys in a file, k1 and so on
sub keys_file {
    my ($n, $members) = @_;

    open my $fh, '>', "$tmp/keys.json" or die "$tmp: $!\n";
    print $fh '{"keys":[', join(",\n", map {
        qq({"id":"k$_","hash":"sha256:) . sha256_hex("secret-k$_")
        . qq(",$members})
    } 1 .. $n), "]}\n";
    close $fh;
    return "ai_keys $tmp/keys.json;";
}

sub key { my $k = shift; return head => "Authorization: Bearer secret-$k\r\n",
                                more => '"max_tokens":10,', @_ }

# changes the configuration and reloads it
sub edit {
    my ($from, $to, %o) = @_;
    my $file = "$tmp/servroot/conf/nginx.conf";
    my $conf = slurp($file);

    $conf =~ s/$from/$to/ or die "no \"$from\" in nginx.conf\n";
    open my $fh, '>', $file or die "$file: $!\n";
    print $fh $conf;
    close $fh;
    reload(gone => 1, %o);
}

# 10 tokens of output are reserved
sub cheap { return more => '"max_tokens":10,', @_ }

# the status of an operator's action, its name and query as they are sent
sub operated {
    my $head = "Authorization: Bearer s3cr3t\r\nContent-Length: 0\r\n";

    return ask(path => "/ai/accounts/$_[0]", head => $head, body => '')
               ->{status};
}

sub kept {
    my $file = "$tmp/kept-$_[0]/budgets";
    return -e $file ? slurp($file) : '';
}

check_blocks(http => sub {
                 my ($b) = @_;
                 my $zone = $b->zone || '1m';
                 $zone .= ' state=' . folder($b) if defined $b->kept;
                 return sprintf $http, $zone, eval($b->keyed || '') || '',
                     $b->limit || '';
             },
             reset => [qw(a b)],
             before => sub { provider_fault('a', 'prompt=10 words=10') },
             perl => sub { eval shift });

no_long_string();
run_tests();

__DATA__

=== TEST 1: keys with budgets in a full zone: nobody gets another's memory
--- zone chomp
384k
--- kept
--- keyed
keys_file(1200, '"requests":"100r/d","budget":[{"usd":"0.00033","per":"day"}]')
--- check
my %n;
# few at once: the requests themselves need room, too
for my $round (1 .. 60) {
    my @r = ask_all(map { [key('k' . ($_ + 20 * ($round - 1)))] } 1 .. 20);
    $n{$_->{status}}++ for @r;
}
cmp_ok($n{200}, '>', 100, 'some had room');
is($n{503} + $n{200}, 1200, 'the others are told that it is full');
for my $round (0 .. 4) {
    my @r = ask_all(map { [key('k' . ($_ + 20 * $round))] } 1 .. 20);
    is(statuses(@r), '200:20', "full for new ones only, $round");
}
for my $k (1, 60) {
    is(ask(key("k$k"))->{status}, 200, "k$k: within its budget");
    is(ask(key("k$k"))->{status}, 429, "k$k: no more");
}



=== TEST 2: a zone of another size: what a key has in flight stays behind
--- keyed
keys_file(2, '"concurrent":2')
--- check
provider_fault('a', 'words=4 gap=300');
my @q = map { open_request(key('k1', stream => 1)) } 1 .. 2;
ok(wait_for(2, sub { requests('a') == 2 }), 'two streams run');
is(ask(key('k1'))->{status}, 429, 'no third');
edit('ai_zone ai 1m', 'ai_zone ai 2m');
is(statuses(answers(@q)), '200:2', 'they end');
provider_fault('a', '');
is(statuses(ask_all(map { [key('k1')] } 1 .. 2)), '200:2', 'two again');



=== TEST 3: another folder for budgets: all of them are there
--- kept
--- keyed
keys_file(2, '"budget":[{"usd":"0.00033","per":"day"}]')
--- check
is(ask(key('k1'))->{status}, 200, 'k1 spends') for 1 .. 3;
ok(wait_for(4, sub { kept(3) =~ / key day \d+ 330000 k1$/m }), 'written down');
edit("kept-3", "kept-33");
is(ask(key('k2'))->{status}, 200, 'k2 spends') for 1 .. 3;
ok(wait_for(4, sub { kept(33) =~ / k2$/m }), 'there');
nginx_stop();
nginx_start();
is(ask(key("k$_"))->{status}, 429, "k$_ has spent") for 1, 2;



=== TEST 4: who goes on writing does not rely on what is in the file
--- kept
--- keyed
keys_file(2, '"budget":[{"usd":"0.00033","per":"day"}]')
--- log_ok chomp
exited on signal 9
--- check
is(ask(key('k1'))->{status}, 200, 'k1 spends') for 1 .. 3;
ok(wait_for(4, sub { kept(4) =~ / key day \d+ 330000 k1$/m }), 'written down');
open my $fh, '>', "$tmp/kept-4/budgets" or die;
close $fh;
kill_workers();
ok(wait_for(4, sub { kept(4) =~ / key day \d+ 330000 k1$/m }), 'again');
nginx_stop();
nginx_start();
is(ask(key('k1'))->{status}, 429, 'k1 has spent');



=== TEST 5: stopped at once: what requests under way may cost is spent
--- kept
--- keyed
keys_file(1, '"budget":[{"usd":"0.00033","per":"day"}]')
--- check
provider_fault('a', 'prompt=10 words=10 gap=300');
my @q = map { open_request(key('k1', stream => 1)) } 1 .. 2;
ok(wait_for(2, sub { requests('a') == 2 }), 'two run');
nginx_stop('TERM');
nginx_start();
provider_fault('a', '');
is(ask(key('k1'))->{status}, 429, 'nothing is left');



=== TEST 6: the same target again past its breaker: it counts all the same
--- kept
--- keyed
'ai_breaker failures=1 rate=100 open=20s max_open=20s;'
--- limit
ai_limit budget=0.01usd/day;
--- check
provider_fault('a', '500 delay=100');
my @q = map { open_request(cheap(model => 'alone', class => 'again')) }
            1 .. 20;
ok(wait_for(2, sub { requests('a') == 20 }), 'all fail at once');
provider_fault('a', 'prompt=10 words=10 delay=1500');
my @r = answers(@q);
is(statuses(@r), '200:20', 'all are served in the end');
my $spent = sub { return kept(6) =~ /.* account day \d+ (\d+) a$/ms && $1 };
ok(wait_for(4, sub { $spent->() == 20 * 110000 }), 'each of them costs')
    or diag($spent->());



=== TEST 7: a closed account is not probed early for its breaker
--- keyed
'ai_breaker failures=1 rate=100 open=120s max_open=120s;'
--- check
provider_fault('a', '500');
is(ask(model => 'alone')->{status}, 502, 'its breaker opens for two minutes');
provider_fault('a', '401');
is(ask(model => 'alone', stream => 1)->{status}, 502, 'it is closed for one');
my $n = requests('a');
is(ask(model => 'alone')->{status}, 503, 'nobody to ask');
is(requests('a'), $n, 'and nobody was');



=== TEST 8: what operators name is a model, or refused
--- check
my $n = 0;
for my $model ('', '%', '%00', 'a%0ab', '%0d%0aforged',
               'x' x 300)
{
    $n++;
    is(operated("a/drain?model=$model"), 400, "name $n is none");
}
operate('a', 'enable');
is(operated('a/drain?model=caf%C3%A9%20%22'), 200, 'any other is one');
unlike(slurp("$tmp/servroot/logs/error.log"), qr/^(b"|forged)/m,
       'no line of the log is made up');
is(way(ask()), 'a', 'the account serves');



=== TEST 9: ten at once, whatever becomes of them
--- keyed
keys_file(1, '"concurrent":10')
--- log_ok chomp
exited on signal 9
--- check
my $ten = sub {
    my ($name) = @_;
    my $before = requests('a');

    provider_fault('a', 'words=2 delay=800');
    my @r = ask_all(map { [key('k1', model => 'alone', stream => $_ % 2)] }
                        1 .. 100);
    is(statuses(@r), '200:10 429:90', $name) or diag($r[0]{body});
    is(requests('a'), $before + 10, "$name: no more were sent");
};
my $some = sub {
    my ($fault, @more) = @_;

    provider_fault('a', $fault);
    return map { open_request(key('k1', stream => $_ % 2, @more)) } 1 .. 10;
};

$ten->('at first');

my @q = $some->('words=9 gap=200');
sleep 0.5;
close $_->{socket} for @q;
sleep 0.3;
$ten->('clients have gone');

@q = $some->('hang');
sleep 0.3;
close $_->{socket} for @q;
sleep 0.3;
$ten->('gone before an answer');

answers($some->($_)) for 'cut=1', '500', 'reset', 'error_first', '400';
accounts_open('a');
$ten->('failed in several ways');

@q = $some->('hang');
sleep 0.3;
kill_workers();
$ten->('workers were killed');

@q = $some->('words=4 gap=200');
sleep 0.3;
reload();
answers(@q);
$ten->('after a reload');




=== TEST 10: who has its answer holds nothing, whenever it closes
--- keyed
keys_file(1, '"concurrent":1') . ' lingering_close always;'
--- check
for my $o ([stream => 1], [], [model => 'alone', down => 1]) {
    my %o = @$o;
    operate('a', 'drain') if delete $o{down};
    my $q = open_request(key('k1', %o));
    my $got = '';
    my $end = time() + 5;
    while (time() < $end) {
        last unless sysread $q->{socket}, $got, 65536, length $got;
    }
    like($got, qr/^HTTP\/1\.1 (?:200|503)/, 'an answer');
    operate('a', 'enable');
    is(ask(key('k1'))->{status}, 200, 'the next one');
    close $q->{socket};
    sleep 0.2;
}
