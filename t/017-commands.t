# Copyright (C) nginx-ai-route contributors

# Each command of the documents (blocks "sh" and "console") is run here, in the
# order of its document and against a gateway that runs, and what it prints is
# what is shown below it; or the table says by what else it is run, and why not
# here.  A command that is in neither fails, and so does a row without one.
#
# Ports, folders and ids of the documents are exchanged for this run's.  Where
# numbers cannot be the same ("loose"), what is compared is all but them.

use strict;
use warnings;

use lib 't/lib';
use AIRoute providers => [qw(a b c)], redis => 1;
use AIDocs;
use Test::More;

use Digest::SHA qw(sha256_hex);
use File::Path ();
use HTTP::Tiny ();
use JSON::PP ();

# "make test" is itself a make, which those below need not know
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};

my $tmp = tmp_dir();
my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $port = free_port();
my $folder = "$tmp/gw";
my $running;

# What is not run here.

my $module = $ENV{TEST_NGINX_LOAD_MODULES};     # empty: linked into nginx
my $gdb = $module && grep { -x "$_/gdb" } split /:/, $ENV{PATH};
my $stage = 'a stage of its own, minutes';
my $system = 'changes the system';
my %elsewhere = (
    'README.md' => [
        [qr/^make\ (?:demo|test|asan|lockcheck|fuzz|endurance|soak|sdk-test
                    |browser-test|secrets-scan|valgrind|analyze|coverage|bench
                    |compat|deb|image|help)\b/x => $stage],
        [qr/^(?:make$|install -D|apt install )/ => "$system; deb-check"],
        [qr/^docker / => 'there is no engine; make image CHECK=1'],
    ],
    'docs/benchmark.md' => [
        [qr/make bench|^t\/tools\/stream-memory/ => $stage],
    ],
    'docs/clients.md' => [[qr/^make sdk-test/ => $stage]],
    'docs/compatibility.md' => [[qr/^make compat/ => $stage]],
    'docs/drill.md' => [
        [qr/^export DRILL_BEARER=|gateway\.example/ => 'an example\'s name'],
        [qr/^make drill TTL=20s/ => 'of a demo that stays; first-steps.md'],
    ],
    'docs/failover.md' => [
        [qr/seq 200|grep -c "retry budget"/ => '200 requests in 10 s: by hand'],
    ],
    'docs/first-steps.md' => [
        [qr/^(?:apt|git|cd|editor|install) |^make(?: demo| provider)?$/
         => $system],
    ],
    'docs/health.md' => [
        [qr/^build\/unit\/simulation/ => 'make test runs it with the others'],
        $gdb ? () : [qr/^gdb / => 'no gdb, or no module: t/016-docs.t'],
        [qr/^make bench-choose|^\.\/breaker/ => 'figures alone'],
    ],
    'docs/install.md' => [
        [qr/^make (?:deb|image)/ => "$stage: make deb|image CHECK=1"],
        [qr/^(?:make|apt|install|editor|systemctl|setsebool|semanage
               |restorecon|nginx\ -t)\b/x => $system],
        [qr/^\.\/configure/ => 'make compat builds so'],
        [qr/^docker|docker compose|^cd docker/ => 'there is no engine'],
    ],
    'docs/keys-and-limits.md' => [[qr/^\.\/keys/ => 'figures alone']],
    'docs/operations.md' => [
        [qr/# sketch$/ => 'marked so'],
        [qr/^(?:umask|chgrp|mv \/etc)/ => $system],
    ],
    'docs/scaling.md' => [[qr/# sketch$/m => 'marked so']],
    'docs/sizing.md' => [
        [qr/make bench|stream-memory/ => $stage],
    ],
    'docs/testing.md' => [[qr/make soak/ => $stage]],
    't/provider/README.md' => [
        [qr/^cc / => 'make provider does'],
        [qr/^\.\/ai-provider/ => 't/lib/AIRoute.pm does'],
    ],
);


# --- what commands find when they are run ------------------------------------

# (logs: where an nginx of its own makes writes its access log)
mkdir $_ for $folder, "$folder/logs", map { "$tmp/$_" } qw(bin ai nginx tree);
symlink root() . "/$_", "$tmp/tree/$_"
    for qw(Makefile build conf-examples docs src t);

# redis-cli is not on a terminal here; nginx loads what this machine can
spew("$tmp/bin/redis-cli", "#!/bin/sh\nPATH=\$REAL exec redis-cli"
     . " -p $redis_port --no-raw \"\$@\"\n");
spew("$tmp/bin/nginx", "#!/bin/sh\nexec perl $tmp/bin/nginx.pl \"\$@\"\n");
spew("$tmp/bin/nginx.pl", "use lib '" . root() . "/t/lib';\n"
     . "use AIRoute ();\nuse AIDocs ();\n\$AIDocs::folder = '$tmp';\n"
     . "my (\$nginx, \$e) = ('$nginx', '$folder/error.log');\n" . <<'END');

my @args = @ARGV;
for my $i (0 .. $#args - 1) {
    next if $args[$i] ne '-c' || $args[$i + 1] !~ /gateway\.conf$/;
    open my $fh, '<', $args[$i + 1] or die "$args[$i + 1]: $!\n";
    my $conf = AIDocs::here(join '', <$fh>);
    $conf =~ s/127\.0\.0\.1:8080/127.0.0.1:$ENV{PORT}/g;
    $conf =~ s/127\.0\.0\.1:6379/127.0.0.1:$ENV{REDIS}/g;
    # its own 5 and 10 s are what a person waits for
    $conf =~ s/open=5s max_open=10s ramp=10s/open=300ms max_open=1s ramp=1s/;
    AIRoute::spew("$args[$i + 1].here", $conf);
    $args[$i + 1] .= '.here';
}
$ENV{PATH} = $ENV{REAL};
$e = 'stderr' if grep { $_ eq '-s' } @args;     # as Debian's does
exec { $nginx } $nginx, '-e', $e, @args;
END

chmod 0755, "$tmp/bin/$_" for qw(redis-cli nginx);

spew("$tmp/.curlrc", "silent\n");
spew("$tmp/ai/prices.json",
     '{"gpt-4o-mini":{"input_cost_per_token":1e-6,'
     . '"output_cost_per_token":2e-6}}');

my %env = (
    SECRET => 'example-operator-secret', ADMIN => 'example-operator-secret',
    NEW => 'sk-new', PORT => $port, REDIS => $redis_port, REAL => $ENV{PATH},
    ASAN_OPTIONS => ($ENV{ASAN_OPTIONS} || '') . ':detect_leaks=0',
    PATH => "$tmp/bin:$ENV{PATH}", AI_DEPS => 'skip', HOME => $tmp,
    map { $_ => 'sk' } qw(OPENAI_API_KEY OPENAI_KEY_A OPENAI_KEY_B
                          OPENAI_KEY_VIP AZURE_KEY ANTHROPIC_KEY
                          OPENROUTER_KEY),
);


# --- gateways ----------------------------------------------------------------

sub stop {
    return unless $running;

    my $pid = eval { slurp($running) } // '';

    kill 'QUIT', $1 if $pid =~ /(\d+)/;
    wait_for(10, sub { !-e $running });
    undef $running;
}

END {
    local $?;

    # the second one is that of first-steps.md, should it not have ended it
    for ($running, "$tmp/nginx.pid") {
        $running = $_ and stop() if defined && -e;
    }
}


# whole configurations, which need not be ones of this folder

sub start {
    my ($conf, %arg) = @_;

    stop();
    unlink "$folder/error.log", "$folder/usage.jsonl", "$tmp/ai_ledger.log";
    provider_reset(qw(a b c));
    redis_cli('FLUSHALL');
    File::Path::remove_tree("$tmp/state");

    $conf =~ s/^(events|http) /pid $folder\/nginx.pid;\n$1 /m
        unless $conf =~ /^pid /m;
    $conf = here($conf);
    $conf =~ s/^pid .*/pid $folder\/nginx.pid;/m;
    $conf =~ s/^daemon off;//m;
    $conf =~ s/127\.0\.0\.1:8080/127.0.0.1:$port/g;
    $conf =~ s/127\.0\.0\.1:6379/127.0.0.1:$redis_port/g;
    $conf =~ s/base=https:/base=http:/g;
    $conf =~ s/(server 127\.0\.0\.1):443/$1:$provider_port{a}/g;
    for ([9001 => 'a'], [9002 => 'b'], [9003 => 'c']) {
        my $to = $arg{dead} && $arg{dead} =~ /$_->[0]/ ? 9
                 : $provider_port{$_->[1]};
        $conf =~ s/127\.0\.0\.1:$_->[0]\b/127.0.0.1:$to/g;
    }

    spew("$folder/nginx.conf", $conf);

    local %ENV = (%ENV, %env, DEMO_KEY_A => 1, DEMO_KEY_B => 1, DEMO_KEY_C => 1,
                  PATH => $ENV{PATH});
    my $with = "-e $folder/error.log -p $folder -c $folder/nginx.conf";
    my $out = `$nginx $with 2>&1`;

    $running = "$folder/nginx.pid";
    wait_port($port) && wait_for(5, sub { -e $running })
        or die "nginx did not start: $out\n", slurp("$folder/nginx.conf");
}


sub account {
    my ($name, $port, $more) = @_;

    return "upstream $name { server 127.0.0.1:$port; ai_account "
           . "provider=compatible base=http://$name.example/v1; "
           . ($more // '') . " }\n";
}


# what most documents speak of

sub common {
    my ($sink) = @_;
    my ($ledger) = map { $_->{text} } grep { $_->{text} =~ /^log_format ai_l/m }
                   blocks('docs/usage-stream.md');
    my ($browsers) = map { $_->{text} } grep { $_->{text} =~ /OPTIONS/ }
                     blocks('docs/security.md');
    my $hash = sha256_hex($env{SECRET});

    $ledger =~ s/^(access_log .*)//m;
    my $log = $1;
    $browsers =~ s/^(\s+ai_pass;)/    $log\n$1/m;

    return "load_module x;\nerror_log $folder/error.log notice;\nevents {}\n"
           . "http {\nai_zone ai 4m state=$tmp/state;\nai_usage $sink;\n"
           . "$ledger\nai_price * input=1 output=2;\n"
           . "ai_class high_value { allow_backup manual; }\n"
           . account('openai_a', 9001, 'ai_limit budget=9usd/day;')
           . account('openai_b', 9002)
           . "ai_route gpt-4o gpt-4o-mini {\n target openai_a;\n"
           . " target openai_b tier=2;\n}\n"
           . "server {\n listen 127.0.0.1:8080;\n$browsers\n"
           . "location /ai/ { ai_status admin=sha256:$hash; }\n}\n}\n";
}


sub demo {
    my $conf = slurp(root() . '/conf-examples/demo.conf.in');
    my %value = (MODULE => 'x', DIR => $folder, SINK => 'off', PORT => $port,
                 PORT_A => 9001, PORT_B => 9002, PORT_C => 9003);

    return $conf =~ s/\@([A-Z_]+)\@/$value{$1}/gr;
}


sub ask {
    my ($body, $path) = @_;
    my $answer = HTTP::Tiny->new->post("http://127.0.0.1:$port"
                     . ($path // '/v1/chat/completions'),
                     { content => $body });

    return $answer->{status};
}

my $chat = '{"model":"gpt-4o-mini","messages":[]}';


# --- running and comparing ---------------------------------------------------

my ($prelude, %id) = ('');

sub rewritten {
    my ($text) = @_;

    $text =~ s{127\.0\.0\.1:8080}{127.0.0.1:$port}g;
    $text =~ s{http://127\.0\.0\.1/ai/}{http://127.0.0.1:$port/ai/}g;
    $text =~ s{127\.0\.0\.1:6379}{127.0.0.1:$redis_port}g;
    $text =~ s{\b900([123])\b}{$provider_port{qw(a b c)[$1 - 1]}}ge;
    $text =~ s{/var/log/nginx/}{$tmp/}g;
    $text =~ s{/etc/nginx/ai/}{$tmp/ai/}g;
    $text =~ s{/var/lib/nginx-ai/}{$tmp/state/}g;
    $text =~ s{\bDIR\b}{$folder}g;
    $text =~ s{\b(?:$_)\b}{$id{$_}}g for grep { defined $id{$_} } keys %id;

    return $text;
}


sub shell {
    my ($text, $cwd) = @_;

    $text = rewritten($text);

    # what a shell keeps is kept for the commands that follow
    if ($text =~ /^(?:export |[A-Z_]+=\S+$|\w+\(\) \{)/) {
        $prelude .= "$text\n";
        return '';
    }

    local %ENV = (%ENV, %env);
    spew("$tmp/script", "$prelude\n$text");
    my $out = `cd $cwd && timeout 30 bash $tmp/script 2>&1`;

    return $? ? "$out\n(exit code " . ($? >> 8) . ')' : $out;
}


sub plain {
    my ($text, $loose) = @_;

    $text =~ s/\r//g;
    $text =~ s/sha256:[0-9a-f]+(?:…)?/HASH/g;
    $text =~ s/\bsk-ai-[0-9a-f]+/KEY/g;
    $text =~ s/\b\d{10,}-\d+\b/ENTRY/g;
    $text =~ s/\b[0-9a-f]{11,}\b/ID/g;
    $text =~ s{\d{4}/\d\d/\d\d \d\d:\d\d:\d\d}{TIME}g;
    $text =~ s/\d+#\d+/PID/g;
    $text =~ s/(Retry-After: |_ms":|after\s+)\d+/$1N/g;
    $text =~ s/\d+(?:\.\d+)?(?:e-\d+)?/N/g if $loose;
    $text =~ s/\s+//g;

    return $text;
}


sub as_shown {
    my ($got, $shown, $loose) = @_;

    $got =~ s/\(exit code \d+\)\z//;
    my @pieces = split /…|\.\.\./, plain($shown, $loose), -1;
    my $pattern = join '.*?', map { quotemeta } @pieces;

    return plain($got, $loose) =~ /\A$pattern\z/;
}


# How a command's output is compared, beside as_shown(): the members of its
# JSON, its first line, or that it comes to a good end.

my %compare = (
    keys => sub {
        my @keys = map { eval { join ' ', sort keys %{
                         JSON::PP->new->decode($_) } } // "no JSON: $@" } @_;
        return $keys[0] eq $keys[1];
    },
    first => sub { (split /\n/, $_[0])[0] eq (split /\n/, $_[1])[0] },
    good => sub { $_[0] !~ /\(exit code \d+\)\z/ && $_[0] ne '' },
    quiet => sub { $_[0] eq '' },
);

my %used;

sub not_here {
    my ($doc, $text) = @_;
    my $n = 0;

    $text =~ s/\s+#(?! sketch).*//g;
    $text =~ s/\s+\z//;

    for my $row (@{ $elsewhere{$doc} || [] }) {
        $n++;
        if ($text =~ $row->[0]) {
            $used{"$doc $n"} = 1;
            return $row->[1];
        }
    }

    return;
}


# run(DOC, FILTER, TABLE[, folder]): each command of the document's blocks that
# FILTER lets through, by the first row of TABLE that fits: a word of %compare,
# "loose", "exact", or code that is called before and returns one.

my %done;

sub run {
    my ($doc, $filter, $table, $cwd) = @_;

    for my $block (grep { $_->{lang} =~ /^(?:sh|console)$/ } blocks($doc)) {
        next if $filter && !$filter->($block);

        for my $command (commands($block)) {
            my $where = "$doc:$command->{line}";
            my $text = $command->{text} =~ s/\\\n\s*/ /gr;
            my $name = (split /\n/, $text)[0];

            next if $done{$where}++;

            if (my $why = not_here($doc, $text)) {
                note("$where: not run here: $why: $name");
                next;
            }

            my ($row) = grep { $text =~ $_->[0] } @$table;
            my $how = $row ? $row->[1] : $command->{shown} ? 'exact' : undef;

            if (!$how) {
                fail("$where: nothing runs: $name");
                next;
            }

            $how = $how->($command) if ref $how;
            $command->{shown} = rewritten($command->{shown});

            my $got;
            my $good = wait_for($row && $row->[2] || 0, sub {
                $got = shell($command->{text}, $cwd || $folder);
                my $with = $compare{$how} || \&as_shown;
                return $with->($got, $command->{shown}, $how eq 'loose');
            });

            ok($good, "$where: $name")
                or diag("it says:\n", substr($got, 0, 1500), "\nshown is:\n",
                        $command->{shown});
            unlink map { "$tmp/tree/$_" } $got =~ /^report: (\S+), (\S+)$/m;
            $id{'1a22597120f'} = $1 if $got =~ /"id":"([0-9a-f]{11})"/;
        }
    }
}


# --- the documents -----------------------------------------------------------

# a second less each, and the figures are not looked at
my $compile = sub { $_[0]{text} =~ s/-O2/-O0/; return 'quiet' };

my ($readme) = map { $_->{text} } grep { $_->{lang} eq 'nginx' }
               blocks('README.md');

start($readme);
run('README.md', undef, [[qr/^curl -i/ => sub {
    $_[0]{shown} = "HTTP/1.1 200 OK...x-ai-account: openai...";
    return 'exact';
}]]);

run($_, undef, []) for qw(docs/benchmark.md docs/clients.md docs/scaling.md
                          docs/install.md t/provider/README.md);
run('docs/testing.md', undef, [[qr/^cc / => 'quiet']], "$tmp/tree");
run('docs/compatibility.md', undef, [[qr/--help/ => 'good']], root());
run('docs/keys-and-limits.md', undef, [
    [qr/^make key/ => 'loose'],
    [qr/^printf/ => 'good'],
    [qr/^cc / => $compile],
], "$tmp/tree");

# records in a file: one saved, one served, one refused
my $file = "$folder/ai_usage.jsonl";
start(common("file:$file"));
provider_fault('a', 'times=1 status=503');
is(join(' ', map { ask($_) } $chat, $chat, '{'), '200 200 400',
   'requests for records');
wait_for(5, sub { my $n = () = eval { slurp($file) =~ /^/gm } // ''; $n >= 5 });

my $jq = sub { $_[0]{text} =~ /ai_usage\.jsonl/ };
run('docs/usage-stream.md', $jq, [[qr/^jq -s '/ => 'good'],
                                  [qr/^jq/ => 'loose']]);
run('docs/traffic-classes.md', $jq, [[qr/^jq/ => sub {
    $_[0]{shown} = qq({"nobody":0.001}); return 'loose';
}]]);

# records in Redis: three, and two more for the consumer
start(common('redis://127.0.0.1:6379/0'));
ask($chat) for 1 .. 3;
shell("curl -s -X POST -H 'Authorization: Bearer $env{SECRET}' "
      . "http://127.0.0.1:8080/ai/accounts/openai_b/disable", $folder);
my @entries = map { $_->{id} } usage_entries('ai:usage', 3);
usage_entries('ai:usage:audit', 1);
$id{"17954178880$_->[0]"} = $entries[$_->[1]]
    for ['40-0', 0], ['51-0', 1], ['52-0', 2];

run('docs/usage-stream.md', undef, [
    [qr/MEMORY USAGE|XINFO|XRANGE|XREVRANGE ai:usage \+ - COUNT 1$/ => 'good'],
    [qr/IDLE 60000/ => sub {
        $_[0]{text} =~ s/60000/0/; return 'loose'
    }],
    [qr/XAUTOCLAIM/ => sub { $_[0]{text} =~ s/60000/0/; return 'loose' }],
    [qr/usage_consumer.*--csv/ => 'first'],
    [qr/usage_consumer/ => sub {
        ask($chat) for 1 .. 2;
        usage_entries('ai:usage', 5);
        $_[0]{text} =~ s/\s*\z/ --once\n/;
        return 'good';
    }],
    [qr/ledger-check/ => 'good', 5],
    [qr/redis-cli/ => 'loose'],
], "$tmp/tree");

redis_cli('XGROUP', 'CREATE', "ai:usage:$_", 'billing', 0, 'MKSTREAM'),
redis_cli('XADD', "ai:usage:$_", '*', 'v', 1) for 0 .. 3;
run('docs/redis.md', undef, [[qr/^redis-cli/ => 'good']]);

run('docs/endpoints.md', undef, [[qr/^redis-cli/ => 'good']]);
run('docs/directives.md', undef, [[qr/^curl/ => 'good']]);
run('docs/health.md', undef, [
    [qr/^curl/ => 'good'],
    [qr/^cc / => $compile],
    [qr/^gdb / => sub {
        $_[0]{text} =~ s{build/\S+\.so}{$module}; return 'exact'
    }],
], "$tmp/tree");
run('docs/security.md', undef, [[qr/OPTIONS/ => 'exact']]);
run('docs/sizing.md', sub { $_[0]{text} !~ /section=zone/ },
    [[qr/^cat / => 'loose']]);
run('docs/drill.md', sub { $_[0]{text} =~ /\bcurl\b/ },
    [[qr/^curl/ => 'keys']]);
run('docs/drill.md', undef, []);

my $classes = slurp(root() . '/conf-examples/traffic-classes.conf');
start($classes);
run('docs/traffic-classes.md', undef, [
    [qr/evals/ => 'exact'], [qr/classes\/high_value/ => 'good'],
]);

# a demo
start(demo());
$env{SECRET} = 'demo-operator';
run('docs/sizing.md', undef, [[qr/section=zone/ => 'loose']]);
shell('curl -s -X POST -H "Authorization: Bearer $SECRET" '
      . 'http://127.0.0.1:8080/ai/accounts/account_b/drain', $folder);
ask($chat);
run('docs/operations.md', undef, [
    [qr/^kill -9/ => sub {
        my ($master) = slurp("$folder/nginx.pid") =~ /(\d+)/;
        my ($worker) = `ps -o pid= --ppid $master` =~ /(\d+)/;
        $_[0]{text} =~ s/12715/$worker/;
        return 'quiet';
    }],
    [qr/^tail/ => 'loose', 5],
    [qr/-s re(?:load|open)/ => 'loose'],
    [qr/^mv / => 'quiet'],
    [qr/section=totals/ => 'loose', 5],
]);
$env{SECRET} = 'example-operator-secret';


# failover.md: the nginx.conf of its examples, begun anew for each of them

my @failover = blocks('docs/failover.md');
my ($frame) = map { $_->{text} } grep { $_->{text} =~ /include example/ }
              @failover;
my $hash = sha256_hex('operator-secret');

$frame =~ s/sha256:[0-9a-f.]+/sha256:$hash/;
$frame =~ s/include example\.conf/include $folder\/example.conf/;
$frame =~ s{(file:)(usage)}{$1$folder/$2};
$frame =~ s{logs/error}{$folder/logs/error};
mkdir "$folder/logs";

my ($short) = map { $_->{text} } grep { $_->{text} =~ /^ask\(\)/m } @failover;
$prelude = rewritten($short);

my $dead = '';
for my $i (0 .. $#failover) {
    my ($conf, $block) = @failover[$i - 1, $i];

    next if $block->{lang} ne 'console' || $conf->{lang} ne 'nginx';

    $dead = $conf->{prose} =~ /^Nothing listens on port 9001/m ? '9001'
          : $conf->{prose} =~ /^With nothing on 9002 either/m ? '9001 9002'
          : '';
    spew("$folder/example.conf", $conf->{text});
    unlink "$folder/logs/error.log";
    start($frame, dead => $dead);
    run('docs/failover.md', sub { $_[0]{line} == $block->{line} },
        [[qr/^fault/ => 'quiet'],
         [qr/grep -c "retry|record|grep -o|jq/ => 'exact', 3]]);
}
$done{"docs/failover.md:$_->{line}"}++
    for map { commands($_) } grep { $_->{text} eq $short } @failover;
run('docs/failover.md', undef, [
    [qr/^build\/ai-provider/ => sub { $_[0]{text} = "true\n"; 'quiet' }],
    [qr/^curl/ => 'good'],
]);
$prelude = '';
stop();


# first-steps.md, from its beginning to its end

run('docs/first-steps.md', undef, [
    [qr/^build\/ai-provider/ => sub { $_[0]{text} = "true\n"; 'quiet' }],
    [qr/^(?:cp|sed|export|nginx -c|redis-server)/ => sub {
        my $text = $_[0]{text};

        $_[0]{text} = "true\n" if $text =~ /^redis-server/;
        if ($text =~ /^nginx -c.*conf$/m) {
            stop();
            provider_reset(qw(a b c));
        }
        return $text =~ /-s / ? 'loose' : 'quiet';
    }],
    [qr/^nginx -t/ => 'good'],
    [qr/^make drill/ => sub {
        $_[0]{text} =~ s/TTL=20s/TTL=2s/;
        return 'loose';
    }],
    [qr/^redis-cli/ => 'loose', 5],
    [qr/^curl -s/ => sub {      # of the new worker
        wait_for(10, sub { slurp("$tmp/error.log") =~ /gracefully shut/ });
        return 'exact';
    }],
    [qr/^curl|^tail/ => 'exact', 5],
], "$tmp/tree");


# every document, every row

for my $doc (documents()) {
    my @not = map { "$doc:$_->{line}" } map { commands($_) }
              grep { $_->{lang} =~ /^(?:sh|console)$/ } blocks($doc);

    is(join(' ', grep { !$done{$_} } @not), '', "$doc: all of " . @not
                                                . ' commands are known');

    # a command in a block of another name would not be found
    for my $block (grep { $_->{lang} eq '' } blocks($doc)) {
        unlike($block->{text},
               qr{^(?:\$ |(?:make|curl|nginx|redis-cli|apt|docker|jq|t/tools/\S+
                  |systemctl|install|cc|git)\ )(?!\d)}mx,
               "$doc:$block->{line}: no commands");
    }
}

for my $doc (sort keys %elsewhere) {
    ok($used{"$doc $_"}, "$doc: row $_ of the table is for a command")
        for 1 .. @{ $elsewhere{$doc} };
}

done_testing();
