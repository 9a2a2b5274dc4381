# Copyright (C) nginx-ai-route contributors

# Each piece of configuration in the documents is loaded by "nginx -t": a whole
# file as it is, a piece within http, server, location, upstream or ai_route,
# with the accounts, routes and classes around it that it names and does not
# define.  Each piece of JSON is JSON.

use strict;
use warnings;

use lib 't/lib';
use AIRoute;
use AIDocs;
use Test::More;

use JSON::PP ();

my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $tmp = tmp_dir();
my $hash = '0123456789abcdef' x 4;

# of what machines there are only where nginx has it
my %needs = (
    qr/^\s*otel_trace/m => sub { 'nginx-module-otel is not Debian\'s' },
    qr/server \S+ resolve;/ => sub {
        nginx_version() < 1027003 && 'server resolve: nginx 1.27.3'
    },
);

spew("$tmp/$_", "secret\n") for qw(redis.password openai_a.key);
spew("$tmp/keys.json",
     qq({"keys":[{"id":"a","hash":"sha256:$hash"}]}));
spew("$tmp/prices.json",
     '{"m":{"input_cost_per_token":1e-6,"output_cost_per_token":2e-6}}');
mkdir "$tmp/$_" for qw(ai logs nginx);
spew("$tmp/ai/keys.json", slurp("$tmp/keys.json"));
spew("$tmp/example.conf", "ai_route m { target openai_a; }\n");


# What is only hinted at in a piece: the middle of a hash, "..." for more.

sub filled {
    my ($text) = @_;

    $text =~ s/sha256:[0-9a-f]*(?:\.\.\.|…)[0-9a-f]*/sha256:$hash/g;
    $text =~ s/; \.\.\. \}/; }/g;

    # the same hash twice is refused
    my $n = 0;
    $text =~ s/(?<=hash=sha256:)\Q$hash\E/sprintf '%064x', ++$n/ge;

    return $text;
}


# accounts, classes and models that a piece names and leaves to others

sub around {
    my ($text) = @_;
    my (%account, %route, $out);

    $account{$_} = 1 for $text =~ /\btarget +([\w.-]+)/g;
    $account{$_} = 1 for map { split ' ' } $text =~ /\baccounts +([^;]+);/g;
    $account{$1} = 1 while $text =~ m{\bproxy_pass +https?://(\w+);}g;
    delete $account{$_} for $text =~ /\bupstream +([\w.-]+)/g;

    my %defined = map { $_ => 1 }
                  map { split ' ' } $text =~ /\bai_route +([^{]+)\{/g;
    for (map { split ' ' } $text =~ /\bbackup +([a-z][^;]*);/g) {
        my $model = $_;
        $route{$model} = 1 unless grep {
            my $p = quotemeta $_; $p =~ s/\\\*$/.*/; $model =~ /^$p$/
        } keys %defined;
    }
    my %class = map { $_ => 1 } map { split /,/ }
                $text =~ /\bclasses=(\S+?);?(?=\s)/g;
    delete $class{$_} for 'default', $text =~ /\bai_class +(\w+)/g;
    $account{spare} = 1;
    $route{'spare'} = 1;

    $out = join '', map {
        "upstream $_ { server 127.0.0.1:9; ai_account provider=compatible "
        . "base=http://$_.example/v1; ai_price * input=1 output=1; }\n"
    } sort keys %account;

    $out .= join '', map { "ai_class $_ { }\n" } sort keys %class;

    return $out . join '', map { "ai_route $_ { target spare; }\n" }
                           sort keys %route;
}


my %wrap = (
    main => sub { $_[0] },
    http => sub { "events {}\nhttp {\n" . around($_[0]) . "$_[0]\n}\n" },
    'open http' => sub { "events {}\n$_[0]\n}\n" },
    server => sub {
        "events {}\nhttp {\n" . around($_[0]) . "server { listen 127.0.0.1:9;\n"
        . "$_[0]\n}\n}\n"
    },
    beside => sub { "events {}\n$_[0]\n" },
    alone => sub { "$_[0]\nevents {}\n" },
);


sub load {
    my ($text, $context) = @_;
    my $conf = $wrap{$context}->($text);

    # the module, unless the piece loads it itself
    $conf = "load_module x;\n$conf" unless $text =~ /^load_module/m;
    $conf =~ s/^(load_module .*;)\n/$1\npid $tmp\/pid;\n/m;
    $conf = here($conf);

    # names are what it looks up
    $conf =~ s/(server )127\.0\.0\.1/${1}localhost/g if $text =~ /resolve=/;
    spew("$tmp/conf", $conf);

    local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} || '') . ':detect_leaks=0';
    local %ENV = (%ENV, map { $_ => 'sk' } $text =~ /\benv:(\w+)/g);
    my $out = `$nginx -t -e stderr -p $tmp/ -c $tmp/conf 2>&1`;

    return $out =~ /test is successful/ ? '' : $out;
}


sub context {
    my ($text) = @_;

    return $text =~ /^events/m ? 'main'
         : $text =~ /^load_module/m ? 'alone'
         : $text =~ /^http/m ? ($text =~ /^\}/m ? 'beside' : 'open http')
         : $text =~ /^\s*(?:location)/m && $text !~ /^(?:server|upstream) /m
           ? 'server'
         : 'http';
}


# Alternatives stand in one block with empty lines between.

sub parts {
    my ($text) = @_;
    my $usage = () = $text =~ /^ai_usage/gm;

    return $usage > 1 ? split(/\n\n/, $text) : $text;
}


my $pieces = 0;

for my $doc (documents()) {
    for my $block (blocks($doc)) {
        my $where = "$doc:$block->{line}";

        if ($block->{lang} eq 'json') {
            # lines are broken in strings, too
            my $text = $block->{text} =~ s/\[…\]/[]/gr;

            $text =~ s/:\s*…/:0/g;
            $text =~ s/,\s*…//g;
            $text =~ s/…/x/g;
            $text =~ s/\n\s*/ /g;

            ok(eval { JSON::PP->new->utf8(0)->decode($text); 1 },
               "$where: JSON")
                or diag($@);

        } elsif ($block->{lang} eq 'nginx') {
            my @why = map { $block->{text} =~ $_ ? $needs{$_}->() || () : () }
                      keys %needs;

          SKIP: {
                skip "$where: @why", 1 if @why;

                for my $part (parts(filled($block->{text}))) {
                    my $error = load($part, context($part));

                    $pieces++;
                    is($error, '', "$where: nginx -t");
                }
            }
        }
    }
}

cmp_ok($pieces, '>=', 50, 'pieces of configuration are found');

isnt(load("ai_routes x { target spare; }\n", 'http'), '',
     'a piece that is wrong would be found');

done_testing();
