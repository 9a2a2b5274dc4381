# Copyright (C) nginx-ai-route contributors

# Budgets when the calendar turns while requests run: nginx's clock is one that
# the test sets.

use lib 't/lib';
use AIRoute providers => ['a'];
use Test::Nginx::Socket $ENV{AI_ROUTE_ASAN}
    ? (skip_all => 'the sanitizer has to be the first library') : 'no_plan';
use AICheck;
use AIClient;

use Digest::SHA qw(sha256_hex);

my $tmp = tmp_dir();

# seconds that nginx's calendar is ahead
sub ahead {
    my ($s) = @_;

    open my $fh, -e "$tmp/clock" ? '+<' : '>', "$tmp/clock"
        or die "$tmp: $!\n";
    syswrite $fh, pack 'q', $s;
    close $fh;
}

ahead(0);
system(qw(cc -shared -fPIC -o), "$tmp/clock.so", 't/lib/ai-clock.c') == 0
    or die "the clock is not built\n";

$ENV{AI_CLOCK} = "$tmp/clock";
$ENV{TEST_NGINX_LD_PRELOAD} = "$tmp/clock.so";

my $http = <<'END';
ai_usage off;
ai_price * input=1 output=10;
ai_class default { max_wait off; retry_same off; }
ai_key k hash=%HASH% %KEY%;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=openai base=http://a/v1; }
ai_route m { target a; }
END

check_blocks(
    http => sub {
        my %by = (KEY => $_[0]->key, HASH => 'sha256:' . sha256_hex('s3cr3t'));
        (my $conf = $http) =~ s/%([A-Z]+)%/$by{$1}/g;
        return $conf;
    },
    reset => ['a'],
    before => sub { ahead(0) },
    perl => sub { eval shift });

sub mine { return head => "Authorization: Bearer s3cr3t\r\n", @_ }

# a stream that began within the last two seconds of a day, and the words of it that
# came: 1024 tokens are reserved, so more is asked for in the next day
sub overnight {
    provider_fault('a', 'prompt=10 words=2500 gap=3');

    my $now = Time::HiRes::time();
    ahead(86400 - $now % 86400 - 1);

    my $r = ask(mine(stream => 1));
    my $words = () = $r->{body} =~ /"content":"/g;
    return ($r, $words);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a cut-off holds in the day that begins, too
--- key chomp
budget=0.015usd/day cut_off
--- check
my ($r, $words) = overnight();
between($words, 700, 1900, 'it ends when the money does');
like(substr($r->{body}, -300), qr/"code":"insufficient_quota"/, 'an honest event');
is(ask(mine())->{status}, 429, 'it was the new day\'s money');
ahead(2 * 86400);
provider_fault('a', 'prompt=10 words=10');
is(ask(mine())->{status}, 200, 'the next day has its own');



=== TEST 2: what never begins anew bounds it beside what does
--- key chomp
budget=9usd/day,0.015usd/total cut_off
--- check
my ($r, $words) = overnight();
between($words, 700, 1900, 'it ends when the money does');
like(substr($r->{body}, -300), qr/"code":"insufficient_quota"/, 'an honest event');
is(ask(mine())->{status}, 429, 'spent, once and for all');



=== TEST 3: with money for both nothing is cut
--- key chomp
budget=1usd/day,9usd/total cut_off
--- check
my ($r, $words) = overnight();
cmp_ok($words, '>=', 2500, 'all of it');
like(substr($r->{body}, -300), qr/\[DONE\]/, 'it is finished');
