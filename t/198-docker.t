# Copyright (C) nginx-ai-route contributors

# What lies in docker/ as far as it can be looked at without an engine: the
# configurations are loaded, those of Prometheus are checked by promtool, and
# what dashboard and alerts ask for is what a running gateway exports.

use lib 't/lib';
use AIRoute providers => [qw(a b)], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

use Cwd ();
use HTTP::Tiny ();
use JSON::PP ();

my $tmp = tmp_dir();
my $docker = Cwd::realpath('.') . '/docker';

# output and exit code of a command
sub output {
    my @command = @_;

    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command
        or die "cannot run $command[0]: $!\n";
    local $/;
    my $text = <$fh>;
    close $fh;
    return ($text, $? >> 8);
}

sub have {
    my $name = shift;

    return grep { -x "$_/$name" } split /:/, $ENV{PATH};
}

sub board {
    return JSON::PP->new->utf8->decode(
               slurp("$docker/grafana/dashboards/ai-route.json"));
}

# "nginx -t" of the image's nginx.conf with this file in its folder
sub load_image_conf {
    my ($file) = @_;
    my $conf = slurp("$docker/nginx.conf");
    my $module = $ENV{TEST_NGINX_LOAD_MODULES};
    my $load = $module ? "load_module $module;" : '';

    mkdir "$tmp/$_" for qw(conf run state);
    $file =~ s/(?<=server )[a-z][\w.-]*(:\d+;)/127.0.0.1$1/g;
    $file =~ s/redis:6379/127.0.0.1:$redis_port/g;
    $file =~ s{=/var/(lib|spool)/nginx-ai}{=$tmp/state/$1}g;
    spew("$tmp/conf/x.conf", $file);

    $conf =~ s{^include /etc/nginx/modules-enabled.*$}{$load}m or die;
    $conf =~ s{/etc/nginx/ai/}{$tmp/conf/} or die;
    $conf =~ s{/run/nginx-ai/}{$tmp/run/}g;
    $conf =~ s{/dev/stdout}{$tmp/access.log};
    spew("$tmp/image.conf", $conf);

    local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} || '') . ':detect_leaks=0';
    return output($ENV{TEST_NGINX_BINARY} || 'nginx', '-t', '-e', 'stderr',
                  '-p', "$tmp/", '-c', "$tmp/image.conf");
}

# what the entry point writes for an environment; its message where it refuses
sub entrypoint {
    my %env = @_;
    my $conf = "$tmp/entry/smallest.conf";

    mkdir "$tmp/$_" for qw(empty entry);
    unlink $conf;

    local %ENV = (PATH => $ENV{PATH}, AI_CONF => "$tmp/empty",
                  AI_RUN => "$tmp/entry", %env);
    my ($text, $rc) = output("$docker/entrypoint", 'true');
    return $rc ? $text : -e $conf ? slurp($conf) : '';
}

# name => { label => 1 } of what is exported
sub exported {
    my $port = server_port();
    my $r = HTTP::Tiny->new->get("http://127.0.0.1:$port/ai/metrics");
    my %m;

    for (split /\n/, $r->{content}) {
        my ($name, $labels) = /^([a-z_]+)(?:\{(.*)\})? \S+$/ or next;
        $m{$name}{$_} = 1 for ($labels || '') =~ /\b([a-z_]+)="/g;
        $m{$name} ||= {};
    }
    return \%m;
}

# What an expression names that is not there.  A label must be one of some
# metric of the expression.
sub unknown {
    my ($expr, $m) = @_;
    my (@bad, %label);

    (my $bare = $expr) =~ s/"[^"]*"//g;

    for ($bare =~ /\b((?:ai_route|gen_ai)_[a-z_]+)/g) {
        $m->{$_} ? @label{keys %{ $m->{$_} }} = () : push @bad, $_;
    }
    for my $list ($bare =~ /\bby\s*\(([^)]*)\)/g, $bare =~ /\{([^}]*)\}/g) {
        push @bad, grep { !exists $label{$_} } $list =~ /[a-z_]+/g;
    }
    return @bad;
}

check_blocks(http => <<'END', accounts => <<'END', perl => sub { eval shift });
ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=ai:usage pins=on
         spool=$TEST_NGINX_TMP/spool;
ai_zone ai 1m;
END
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit budget=1usd/day;
    ai_price * input=1 output=2; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
END

no_long_string();
run_tests();

__DATA__

=== TEST 1: dashboard and alerts ask for what there is
--- check
provider_fault('a', "ok times=1\ngap=20 times=1\nstatus=500 times=1");
ask(); ask(stream => 1); ask();
my $m;
wait_for(5, sub {
    $m = exported();
    return $m->{gen_ai_server_time_per_output_token_seconds_bucket}
           && $m->{ai_route_fallbacks_total};
});

is(join(' ', unknown('sum by (acount) (ai_route_none{b="c"})', $m)),
   'ai_route_none acount b', 'what is not there is found');

my @marks = @{ board()->{annotations}{list} };
is(join(' ', map { unknown($_->{expr}, $m) } @marks), '', 'annotations');

my @panels = grep { $_->{type} ne 'row' } @{ board()->{panels} };
cmp_ok(scalar @panels, '>', 20, 'panels');
for my $panel (@panels) {
    for (@{ $panel->{targets} }) {
        my ($expr, $legend) = @$_{qw(expr legendFormat)};
        is(join(' ', unknown($expr, $m)), '', "panel \"$panel->{title}\"");

        # what a legend shows must have outlived the sum
        my ($by) = $expr =~ /\bby \(([^)]*)\)/ or next;
        my %left = map { $_ => 1 } split /, /, $by;
        is(join(' ', grep { !$left{$_} } $legend =~ /\{\{(\w+)\}\}/g), '',
           'its legend');
    }
}

my $rules = slurp("$docker/prometheus/ai-route.rules.yml");
my @expr = $rules =~ /^ +expr: (?:>-\n)?(.*?)(?=^ +(?:for|annotations):)/gms;
is(scalar @expr, scalar(() = $rules =~ /- alert:/g), 'alerts');
is(join(' ', unknown($_, $m)), '', 'alert ' . s/\s+/ /gr) for @expr;

# the document shows the same rules
my ($shown) = slurp("$docker/../docs/status.md")
              =~ /^Alerts to begin with.*?^```yaml\n(.*?)^```/ms;
$rules =~ s/\A(?:#.*\n|\n)+//;
is($rules, $shown, 'docs/status.md');



=== TEST 2: what promtool says of Prometheus' files
--- check
SKIP: {
    skip 'no promtool', 3 unless have('promtool');
    my ($text, $rc) = output('promtool', qw(check config),
                             "$docker/prometheus/prometheus.yml");
    is($rc, 0, 'config') or diag($text);
    ($text, $rc) = output('promtool', qw(check rules),
                          "$docker/prometheus/ai-route.rules.yml");
    is($rc, 0, 'rules') or diag($text);

    my $n = 0;
    my @rules = map { { alert => 'x' . $n++,
                        expr => $_->{expr} =~ s/\$__rate_interval/5m/gr } }
                map { @{ $_->{targets} || [] } } @{ board()->{panels} };
    spew("$tmp/panels.yml", JSON::PP->new->utf8->encode(
             { groups => [{ name => 'panels', rules => \@rules }] }));
    ($text, $rc) = output('promtool', qw(check rules), "$tmp/panels.yml");
    is($rc, 0, 'panels') or diag($text);
}



=== TEST 3: the configuration of compose.yaml
--- check
local $ENV{OPENAI_API_KEY} = 'sk-example';
my $conf = slurp("$docker/ai/gateway.conf");
my ($text, $rc) = load_image_conf($conf);
is($rc, 0, 'it loads') or diag($text);
my @servers = $conf =~ /listen (\d+);/g;
is("@servers", '8080 8090', 'clients and operators');

SKIP: {
    skip 'no YAML parser', 1 unless eval { require YAML::XS; 1 };
    my $c = YAML::XS::LoadFile("$docker/compose.yaml");
    my $s = $c->{services};
    is(join(' ', sort keys %$s), 'gateway grafana prometheus redis',
       'services');
    is(join(' ', grep { !/^127\.0\.0\.1:/ }
                 map { @{ $s->{$_}{ports} || [] } } sort keys %$s),
       '8080:8080', 'clients from everywhere, all else from here');

    for my $name (sort keys %$s) {
        for (@{ $s->{$name}{volumes} }) {
            my ($from) = split /:/;
            if ($from =~ m{^\./(.*)}) {
                ok(-d "$docker/$1", "$name: there is $from");
            } else {
                ok(exists $c->{volumes}{$from}, "$name: volume $from");
            }
        }
    }

    my $p = YAML::XS::LoadFile("$docker/prometheus/prometheus.yml");
    is($p->{scrape_configs}[0]{static_configs}[0]{targets}[0], 'gateway:8090',
       'what is scraped');
    ok(-f "$docker/prometheus/$_", "there is $_") for @{ $p->{rule_files} };

    my $folder = "$docker/grafana/provisioning";
    my $d = YAML::XS::LoadFile("$folder/datasources/prometheus.yaml");
    is($d->{datasources}[0]{url}, 'http://prometheus:9090', 'data source');
    $d = YAML::XS::LoadFile("$folder/dashboards/ai-route.yaml");
    my $path = $d->{providers}[0]{options}{path};
    is(scalar(grep { $_ eq "./grafana/dashboards:$path:ro" }
              @{ $s->{grafana}{volumes} }), 1, 'the dashboard is there');
}



=== TEST 4: the smallest configuration, from the environment
--- check
local $ENV{AI_API_KEY} = 'sk-example';
my $conf = entrypoint(AI_API_KEY => 'sk-example');
like($conf, qr/server api\.openai\.com:443;/, 'OpenAI');
like($conf, qr/key=env:AI_API_KEY;/, 'its key');
unlike($conf, qr/sk-example/, 'which is not written down');
my ($text, $rc) = load_image_conf($conf);
is($rc, 0, 'it loads') or diag($text);

$conf = entrypoint(AI_BASE_URL => 'http://vllm:8000/v1',
                   AI_PROVIDER => 'vllm', AI_MODELS => 'llama-* qwen',
                   AI_USAGE => 'redis://redis:6379/0',
                   AI_ADMIN_SHA256 => 'ab' x 32);
like($conf, qr/server vllm:8000;/, 'another address');
unlike($conf, qr/key=/, 'no key');
like($conf, qr/^ai_route llama-\* qwen \{/m, 'models');
like($conf, qr/admin=sha256:(ab){32};/, 'operators');
($text, $rc) = load_image_conf($conf);
is($rc, 0, 'it loads') or diag($text);

like(entrypoint(AI_BASE_URL => 'http://vllm/v1'), qr/server vllm:80;/,
     'a port by the scheme');
is(entrypoint(AI_CONF => "$tmp/conf"), '', 'there is a configuration');



=== TEST 5: an environment that would write directives of its own
--- check
for ([AI_BASE_URL => 'http://a/v1; key=env:HOME'],
     [AI_BASE_URL => "http://a/v1\nserver b"],
     [AI_BASE_URL => 'ftp://a/v1'],
     [AI_BASE_URL => 'http://a/v1 owner=x'],
     [AI_PROVIDER => 'vllm;'],
     [AI_MODELS => '* { target x; } #'],
     [AI_MODELS => '"a'],
     [AI_USAGE => 'redis://r/0; include /etc/passwd'],
     [AI_USAGE => 'file:/etc/nginx/nginx.conf'],
     [AI_ADMIN_SHA256 => 'secret'])
{
    like(entrypoint(@$_), qr/^entrypoint: $_->[0] is not valid/,
         join ' ', split ' ', "@$_");
    ok(!-e "$tmp/entry/smallest.conf", 'nothing is written');
}
