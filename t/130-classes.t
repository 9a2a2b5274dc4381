# Copyright (C) nginx-ai-route contributors

# conf-examples/traffic-classes.conf at work, with two workers: what each of
# its classes promises is kept, what it prohibits does not happen.  What
# depends on the machine is replaced in it, and, in a block's "swap", numbers
# that are too large for a test.

use lib 't/lib';

my ($example, @accounts);

BEGIN {
    open my $fh, '<', 'conf-examples/traffic-classes.conf' or die "$!\n";
    local $/;
    $example = <$fh>;

    @accounts = $example =~ /^    upstream (\w+) \{/mg;
    $ENV{$_} = "sk-$_" for $example =~ /\bkey=env:(\w+)/g;
    ($ENV{TEST_NGINX_ADMIN}) = $example =~ /admin=sha256:(\w+)/;
}

use AIRoute providers => [@accounts];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIWorkers;

use HTTP::Tiny;
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();

sub swap {
    my ($conf, $from, $to) = @_;

    $conf =~ s/$from/$to/g or die "the example has no \"$from\"\n";
    return $conf;
}

# the inside of its http block, without its server
sub example {
    my $block = shift;
    my ($n) = $block->name =~ /TEST (\d+)/;
    my ($conf) = $example =~ /^http \{\n(.*?)^    server \{/ms;

    $conf = swap($conf, '    log_format [^;]*;', '');
    $conf = swap($conf, '    access_log [^;]*;', ai_log());
    $conf = swap($conf, 'state=/\S+;', "state=$tmp/state-$n;");
    $conf = swap($conf, 'file:/\S+jsonl;', "file:$tmp/usage.jsonl;");
    $conf = swap($conf, 'base=https:', 'base=http:');
    $conf =~ s{(upstream (\w+) \{\n\s+server )\S+;}
              {$1 . "127.0.0.1:$provider_port{$2};"}ge == @accounts
        or die "accounts without a server\n";

    for (split /\n/, $block->swap || '') {
        my ($from, $to) = split / +=> +/;
        $conf = swap($conf, quotemeta $from, $to);
    }

    return $conf;
}

check_blocks(http => sub { example($_[0]) }, reset => \@accounts,
             perl => sub { eval shift });

# the arguments of a request with the key of that name
sub as {
    my ($key, @more) = @_;

    return (model => 'gpt-4o',
            head => "Authorization: Bearer example-key-$key\r\n", @more);
}

sub operator {
    my ($path, $secret) = @_;
    my $url = 'http://127.0.0.1:' . server_port() . "/ai/$path";

    $secret = 'example-operator-secret' unless defined $secret;
    return HTTP::Tiny->new->post($url, { headers => {
        Authorization => "Bearer $secret" } })->{status};
}

# all of these answer so
sub all { my $script = pop; provider_fault($_, $script) for @_ }

# "a:1 b:2": who was asked how often, without the others
sub asked {
    return join ' ', map { my $n = requests($_); $n ? "$_:$n" : () }
                         @accounts;
}

# "gpt-4o at openai_a": of an answer
sub by { my $h = $_[0]{h}; return "$h->{'x-ai-model'} at $h->{'x-ai-account'}" }

no_long_string();
run_tests();

__DATA__

=== TEST 1: which class a request has, and who may have it
--- check
my %default = ('chat-ui' => 'interactive', nightly => 'background',
               evals => 'evaluation', contracts => 'high_value',
               lab => 'experimental');
my %may = ('chat-ui' => 'background', evals => 'experimental');

for my $key (sort keys %default) {
    my $r = ask(as($key));
    is("$r->{status} " . logged($r)->{ai_class}, "200 $default{$key}",
       "$key: by default");

    for my $class (sort values %default, 'default') {
        $r = ask(as($key, class => $class));

        if (grep { $_ eq $class } $default{$key}, $may{$key} || ()) {
            is("$r->{status} " . logged($r)->{ai_class}, "200 $class",
               "$key: $class");
        } else {
            is("$r->{status} " . error_code($r), '403 class_not_allowed',
               "$key: not $class");
            like($r->{body}, qr/$default{$key}/, "$key: told which it may");
        }
    }

    $r = ask(as($key, class => 'urgent'));
    is("$r->{status} " . error_code($r), '400 invalid_request_error',
       "$key: no such class");
    like($r->{body}, qr/$default{$key}/, "$key: told which it may");
}

for my $head ('', "Authorization: Bearer example-key-nobody\r\n") {
    my $r = ask(model => 'gpt-4o', head => $head, class => 'background');
    is("$r->{status} " . error_code($r), '401 invalid_api_key', 'no key');
}



=== TEST 2: each class at its own accounts, with their credentials
--- check
my %at = ('chat-ui' => qr/^openai_[ab]:\d( openai_b:\d)?$/,
          nightly => qr/^openai_[ab]:\d( openai_b:\d)?$/,
          evals => qr/^openai_[ab]:\d( openai_b:\d)?$/,
          contracts => qr/^vip:4$/, lab => qr/^lab:4$/);

for my $key (sort keys %at) {
    provider_reset(@accounts);
    my @r = map { ask(as($key)) } 1 .. 4;
    is(statuses(@r), '200:4', "$key: served");
    like(asked(), $at{$key}, "$key: by whom");
}

ask(as($_)) for qw(lab contracts);
is(seen('lab')->{h}{authorization}, 'Bearer sk-OPENROUTER_KEY', 'credential');
like(provider_get('lab', '/__last'), qr/openai\\?\/gpt-4o/, 'its own name');
is(seen('vip')->{h}{authorization}, 'Bearer sk-OPENAI_KEY_VIP', 'credential');
unlike(provider_get('vip', '/__last'), qr/example-key/, 'not the client\'s');



=== TEST 3: interactive and background when accounts are short
--- swap
ai_limit concurrent=50 => ai_limit concurrent=4
--- check
all(qw(openai_a openai_b), 'words=4 gap=400');

my @bg = map { open_request(as('nightly', stream => 1)) } 1 .. 8;
sleep 0.4;
is(requests('openai_a') + requests('openai_b'), 4,
   'background leaves half of the accounts to others, and waits');

my @ia = map { open_request(as('chat-ui', stream => 1)) } 1 .. 4;
sleep 0.3;
is(requests('openai_a') + requests('openai_b'), 8,
   'interactive has that half at once');

my $r = ask(as('chat-ui'));
is("$r->{status} " . by($r), '200 gpt-4o at azure',
   'and goes elsewhere when all is taken');
within($r, 0, 0.5, 'without waiting');

@ia = answers(@ia);
@bg = answers(@bg);
is(statuses(@ia, @bg), '200:12', 'all are served, background later');
is(scalar(grep { !$_->{complete} } @ia, @bg), 0, 'to their end');
is(scalar(grep { logged($_)->{queue} == 0 } @ia), 4, 'interactive: at once');
is(scalar(grep { logged($_)->{queue} > 800 } @bg), 4,
   'half of background was in the queue');
is(requests('azure'), 1, 'background was never at the dear account');
is(requests('anthropic'), 0, 'nor at the backup model');



=== TEST 4: interactive goes first in the queue
--- swap
ai_limit concurrent=50 => ai_limit concurrent=1
--- check
operator("accounts/$_/drain") for qw(openai_b azure anthropic);
provider_fault('openai_a', 'delay=600');

my @q = (open_request(as('chat-ui')));
sleep 0.2;
for ('nightly', 'nightly', 'chat-ui', 'chat-ui') {
    push @q, open_request(as($_, name => $_));
    sleep 0.05;
}
my ($first, @r) = answers(@q);
is(statuses($first, @r), '200:5', 'all are served');
my @order = sort { $a->{start} + $a->{took} <=> $b->{start} + $b->{took} } @r;
is("@{[map { $_->{name} } @order]}", 'chat-ui chat-ui nightly nightly',
   'interactive before background that waited longer');
is(asked(), 'openai_a:5', 'where');



=== TEST 5: interactive: another provider, then another model, no error
--- check
all(qw(openai_a openai_b), 500);
my $r = ask(as('chat-ui'));
is("$r->{status} " . by($r), '200 gpt-4o at azure', 'another provider');
provider_fault('azure', 500);
$r = ask(as('chat-ui', stream => 1));
is("$r->{status} " . by($r), '200 claude-sonnet-4-5 at anthropic', 'a backup');
is($r->{h}{'x-ai-fallback'}, 'backup', 'the answer says so');
is("$r->{complete}", 1, 'all of it');

provider_fault('anthropic', 500);
provider_reset('vip', 'lab');
$r = ask(as('chat-ui'));
isnt($r->{status}, 200, 'nobody of its own is left');
is(requests('vip') + requests('lab'), 0, 'others\' accounts are not asked');



=== TEST 6: interactive: a deadline, and nobody is asked twice
--- swap
deadline       60s => deadline       2s
first_token    8s => first_token    1500ms
--- check
all(@accounts, 'hang');
my $r = ask(as('chat-ui', stream => 1));
is("$r->{status} " . error_code($r), '504 deadline_exceeded', 'it ends');
within($r, 1.9, 3, 'at the deadline');

all(@accounts, 500);
provider_reset('azure');
provider_fault('azure', 500);
$r = ask(as('chat-ui'));
my %n;
$n{$_}++ for logged($r)->{trail} =~ /(\w+)=/g;
is(join(' ', sort { $a <=> $b } values %n), join(' ', (1) x keys %n),
   'each account once');



=== TEST 7: background waits for a cheap account instead of a dear one
--- check
all(qw(openai_a openai_b), "times=1 status=429 retry_after=4\nok");
my $q = open_request(as('nightly'));
sleep 0.5;
my $r = ask(as('chat-ui'));
is("$r->{status} " . by($r), '200 gpt-4o at azure',
   'interactive goes to the dear one meanwhile');
within($r, 0, 1, 'interactive');

$r = answer($q);
is($r->{status}, 200, 'background is served');
like(by($r), qr/^gpt-4o at openai_[ab]$/, 'by a cheap account');
within($r, 3.9, 7, 'background');
cmp_ok(logged($r)->{queue}, '>=', 3000, 'it was in the queue');
is(requests('azure'), 1, 'not at the dear account');
is(requests('anthropic'), 0, 'not at the dear model');



=== TEST 8: background fails rather than spend
--- check
all(qw(openai_a openai_b), 500);
my $r = ask(as('nightly'));
is("$r->{status} " . error_code($r), '502 upstream_error', 'an error');
like($r->{body}, qr/too dear for its class/, 'which says why');
is(requests('azure') + requests('anthropic'), 0, 'nobody dear was asked');

# one that leaves while it waits costs nothing and blocks nobody
provider_reset(@accounts);
operator("accounts/$_/reset") for qw(openai_a openai_b);
all(qw(openai_a openai_b), "times=1 status=429 retry_after=3\nok");
my $q = open_request(as('nightly'));
sleep 0.5;
close $q->{socket};
sleep 3;
is(asked(), 'openai_a:1 openai_b:1', 'it left');



=== TEST 9: evaluation: the same model, or an error
--- check
provider_fault('openai_a', 500);
my @r = map { ask(as('evals')) } 1, 2;
is(statuses(@r), '200:2', 'another account serves the same model');
is(join(',', map { by($_) } @r), 'gpt-4o at openai_b,gpt-4o at openai_b',
   'which');
ok((grep { trail($_) eq 'openai_a=500/server_error,openai_b=200/ok' } @r),
   'the trail shows it');

provider_fault('openai_b', 500);
my $r = ask(as('evals'));
is("$r->{status} " . error_code($r), '502 upstream_error', 'an error');
is(requests('anthropic') + requests('azure') + requests('vip'), 0,
   'no other model, no other account');

# what a backup with a larger window could answer
operator("accounts/$_/reset") for qw(openai_a openai_b);
all(qw(openai_a openai_b), 'status=400 code=context_length_exceeded');
$r = ask(as('evals'));
is("$r->{status} " . error_code($r), '400 context_length_exceeded',
   'too long a prompt: the provider\'s own error');
$r = ask(as('chat-ui'));
is("$r->{status} " . by($r), '200 claude-sonnet-4-5 at anthropic',
   'where interactive has the backup model');

# an operator's gate is not there
is(operator('classes/evaluation/open'), 409, 'nobody can open it');



=== TEST 10: high_value: the hold
--- check
provider_fault('vip', 'words=8 gap=100 cut=3');
my $r = ask(as('contracts', stream => 1));
is("$r->{status} $r->{complete} " . by($r), '200 1 gpt-4o at azure',
   'begun anew');
is(trail($r), 'vip=200/reset,azure=200/ok', 'the trail shows it');
unlike($r->{body}, qr/"error"/, 'the client sees nothing of it');
is(scalar(() = $r->{body} =~ /word0/g), 1, 'nor a piece of it');

# the same in a class without a hold
provider_fault('openai_a', 'words=8 gap=100 cut=3');
provider_fault('openai_b', 'words=8 gap=100 cut=3');
$r = ask(as('chat-ui', stream => 1));
like($r->{body}, qr/"error"/, 'without a hold it ends with an error');



=== TEST 11: high_value: the gate
--- check
all(qw(vip azure), 500);
my $r = ask(as('contracts'));
is("$r->{status} " . error_code($r), '502 upstream_error', 'closed at first');
like(trail($r), qr/^vip=500\/server_error,azure=500/, 'its own accounts');
is(requests('anthropic'), 0, 'the backup is not asked');
is(requests('openai_a') + requests('openai_b'), 0, 'nor are others');

is(operator('classes/high_value/open', 'guess'), 401, 'not for everybody');
isnt(ask(as('contracts'))->{status}, 200, 'still closed');

is(operator('classes/high_value/open'), 200, 'an operator opens it');
my @r = ask_all(([as('contracts')], [as('contracts', stream => 1)]) x 3);
is(statuses(@r), '200:6', 'served, by both workers');
is(scalar(grep { by($_) eq 'claude-sonnet-4-5 at anthropic'
                 && $_->{h}{'x-ai-fallback'} eq 'backup' } @r), 6,
   'by the backup');
like(trail($r[0]), qr/anthropic=200\/ok$/, 'the trail shows it');
reload();
is(by(ask(as('contracts'))), 'claude-sonnet-4-5 at anthropic',
   'open over a reload');

is(operator('classes/high_value/close'), 200, 'an operator closes it');
provider_reset('anthropic');
isnt(ask(as('contracts'))->{status}, 200, 'closed') for 1 .. 4;
is(requests('anthropic'), 0, 'the backup is not asked');

provider_fault('vip', 'ok');
operator('accounts/vip/reset');
is(by(ask(as('contracts'))), 'gpt-4o at vip', 'its own account is back');



=== TEST 12: experimental: its account, its limits, nobody else's
--- check
provider_fault('lab', 'delay=500');
my @r = ask_all(([as('evals', class => 'experimental')]) x 10);
is(statuses(@r), '200:4 429:6', 'as many as its account takes');
is(asked(), 'lab:4', 'nobody else is asked');

provider_fault('lab', 500);
my $r = ask(as('lab'));
is("$r->{status} " . trail($r),
   '502 lab=500/server_error,lab=500/server_error', 'it fails');
provider_fault('lab', 'hang');
is(scalar(grep { ask(as('lab', model => $_, max => 1))->{status} == 200 }
          'none', 'o3'), 0, 'models that are not served');
is(asked(), 'lab:6', 'nobody else is asked');



=== TEST 13: experimental: no money but its own
--- swap
concurrent=4 budget=20usd/day => concurrent=4 budget=0.03usd/day
--- check
provider_fault('lab', 'prompt=1000 words=200 delay=1');
my ($n, $r) = (0);
while (($r = ask(as('lab', more => '"max_tokens":300,')))->{status} == 200) {
    last if ++$n > 20;
}
# 1000 * 5 + 200 * 25 microdollars are 0.01 usd
is($n, 3, 'as many as its account\'s budget pays for');
is("$r->{status} " . error_code($r), '503 no_target', 'then an error');
like($r->{body}, qr/quota_exhausted/, 'which says why');
is(asked(), 'lab:3', 'nobody else is asked');
is(ask(as('chat-ui'))->{status}, 200, 'others go on');



=== TEST 14: a key's own money, and that of others
--- swap
budget=10usd/day => budget=0.03usd/day
--- check
provider_fault('lab', 'prompt=1000 words=200');
my ($n, $r) = (0);
while (($r = ask(as('lab', more => '"max_tokens":300,')))->{status} == 200) {
    last if ++$n > 20;
}
is($n, 3, 'as many as the key\'s budget pays for');
is("$r->{status} " . error_code($r), '429 insufficient_quota', 'refused');
is($r->{h}{'x-should-retry'}, 'false', 'a retry is of no use');
is(ask(as('evals', class => 'experimental'))->{status}, 200,
   'another key in the same class goes on');



=== TEST 15: who pays
--- check
my $r = ask(as('chat-ui'));
my @records = sub {
    my $id = shift;
    recorded($id);
    return map { JSON::PP::decode_json($_) }
           grep { /"request_id":"\Q$id\E"/ } split /\n/,
           slurp_lines("$tmp/usage.jsonl");
};
my $pays = sub {
    my $r = shift;
    my @got;
    wait_for(2, sub {
        @got = map { "$_->{kind} $_->{account} $_->{team} "
                     . ($_->{cost_owner} || '-') } $records[0]->($r->{id});
        @got == ($r->{h}{'x-ai-attempts'} > 1
                 ? 1 + $r->{h}{'x-ai-attempts'} : 1)
    });
    return @got;
};

like(join(', ', $pays->($r)), qr/^request openai_[ab] product product$/,
     'the team of the key, where the account has no owner');
$r = ask(as('nightly'));
like(join(', ', $pays->($r)), qr/^request openai_[ab] data data$/,
     'another team at the same accounts');
is(join(', ', $pays->(ask(as('contracts')))), 'request vip legal legal',
   'the account\'s owner');

# traffic shifts
operator('accounts/openai_b/drain');
provider_fault('openai_a', 500);
is(join(', ', $pays->(ask(as('chat-ui')))),
   'request azure product platform, attempt openai_a product product, '
   . 'attempt azure product platform', 'shifted to the platform\'s account');
all(qw(vip azure), 500);
operator('classes/high_value/open');
is((split /, /, join ', ', $pays->(ask(as('contracts'))))[0],
   'request anthropic legal platform', 'and with the gate');

# what was refused costs nobody anything
$r = ask(as('chat-ui', class => 'evaluation'));
my ($rec) = $records[0]->($r->{id});
is("$rec->{team} " . ($rec->{cost_owner} || '-'), 'product -', 'refused');
