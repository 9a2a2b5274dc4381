# Copyright (C) nginx-ai-route contributors

# Every file of conf-examples is loaded by "nginx -t" as it stands, but for
# what depends on the machine: the module's path, log and temporary paths, and
# the addresses of "server" (names of providers need DNS, which a test must
# not).  The environment holds what the file's first comment lists and nothing
# else of the kind, so a variable that the comment forgets is found here.

use lib 't/lib';
use AIRoute;
use Test::More;

use File::Basename qw(basename dirname);

my $root = dirname(__FILE__) . '/..';
my $tmp = tmp_dir();
my $module = $ENV{TEST_NGINX_LOAD_MODULES};
my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $temp = join '', map { "    ${_}_temp_path $tmp/$_;\n" }
                    qw(client_body proxy fastcgi uwsgi scgi);

my @files = sort glob "$root/conf-examples/*.conf";
my $port = free_port();

# what t/tools/demo puts into its template
my %demo = (MODULE => 'modules/x.so', DIR => $tmp, SINK => 'off',
            PORT => $port, map { ("PORT_$_" => $port) } qw(A B C));


sub rewrite {
    my $conf = shift;

    $conf =~ s/\@([A-Z_]+)\@/defined $demo{$1} ? $demo{$1} : "\@$1\@"/ge;
    $conf =~ s/^load_module .*;$/$module ? "load_module $module;" : ''/gme;
    $conf =~ s{(?<=[\s:=])/(?:var/log/nginx|var/lib/nginx|run)/}{$tmp/}g;
    $conf =~ s{^(\s+server )[a-z][\w.-]*(:\d+;)}{${1}127.0.0.1$2}gm;
    $conf =~ s{^\s+\w+_temp_path\s.*;\n}{}gm;
    $conf =~ s/^http \{\n/http {\n$temp/m;

    return $conf;
}


# the words in capitals that begin lines of the first comment

sub variables {
    my $conf = shift;
    my ($comment) = $conf =~ /\A((?:#.*\n)+)/;

    return defined $comment ? $comment =~ /^#   ([A-Z][A-Z0-9_]+)\b/gm : ();
}


sub test_conf {
    my ($path, $env) = @_;
    # a process that only tests leaves its pool to the system
    local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} || '') . ':detect_leaks=0';

    my @command = ($nginx, '-t', '-e', 'stderr', '-p', "$tmp/", '-c', $path);

    local %ENV = (%ENV, %$env);
    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command
        or die "cannot run nginx: $!\n";
    local $/;
    my $output = <$fh>;
    close $fh;

    return ($?, $output);
}


cmp_ok(scalar @files, '>=', 3, 'there are examples');

for my $file (@files, "$root/conf-examples/demo.conf.in") {
    my $name = basename($file);
    my $conf = slurp($file);
    my $path = "$tmp/$name";
    my %used = map { $_ => 1 } $conf =~ /\bkey=env:(\w+)/g;
    my @names = $name eq 'demo.conf.in' ? sort keys %used : variables($conf);
    my %env = map { $_ => 'sk-example' } @names;

    open my $fh, '>', $path or die "$path: $!\n";
    print $fh rewrite($conf);
    close $fh;

    delete @ENV{keys %used};

    is_deeply([sort @names], [sort keys %used],
              "$name: its comment lists the variables it needs");

    my ($rc, $output) = test_conf($path, \%env);
    is($rc, 0, "$name: nginx -t") or diag($output);
    unlike($output, qr/\[(?:warn|error|crit|alert|emerg)\]/,
           "$name: without a warning");

    for my $missing (@names) {
        my %less = %env;
        delete $less{$missing};
        ($rc, $output) = test_conf($path, \%less);
        isnt($rc, 0, "$name: refused without $missing");
        like($output, qr/environment variable "$missing".* in \S*\Q$name\E:/,
             "$name: the message names $missing and the file");
    }
}

done_testing();
