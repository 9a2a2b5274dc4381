# Copyright (C) nginx-ai-route contributors

# The documents against the tree: links and anchors lead somewhere, every
# directive and variable has its place, metrics that are named exist, sizes are
# those of the source, and docs/operations.md has the module's log lines, word
# for word.

use strict;
use warnings;

use lib 't/lib';
use AIRoute;
use Test::More;

use Cwd ();
use File::Basename qw(basename dirname);

my $root = dirname(__FILE__) . '/..';
my @docs = map { s{^\Q$root\E/}{}r }
               "$root/README.md", glob("$root/docs/*.md"),
               "$root/t/provider/README.md";
my %text = map { $_ => slurp("$root/$_") } @docs;
my %anchors = map { $_ => anchors($text{$_}) } @docs;
my %source = map { basename($_) => slurp($_) }
                 glob("$root/src/*.c"), glob("$root/src/pure/*.c");


# as it is written, without what is between fences

sub prose {
    return $_[0] =~ s/^( *)```.*?^\1```$//gmsr;
}


# what GitHub makes of headings

sub anchors {
    my (%seen, %found);

    for (prose($_[0]) =~ /^#{1,6} +(.*?) *$/gm) {
        my $name = lc s/\[([^\]]*)\]\([^)]*\)/$1/gr;

        $name =~ s/[^\w\- ]//g;
        $name =~ tr/ /-/;
        $found{$seen{$name}++ ? "$name-" . ($seen{$name} - 1) : $name} = 1;
    }

    return \%found;
}


sub links {
    my $text = prose($_[0]) =~ s/`[^`\n]*`//gr;

    return grep { !m{^[a-z]+:} } $text =~ /\]\(([^()\s]+)\)/g;
}


sub resolve {
    my ($from, $link) = @_;
    my ($file, $anchor) = split /#/, $link, 2;
    my @path = split m{/}, $file eq '' ? $from : dirname($from) . "/$file";
    my @to;

    for (grep { $_ ne '.' } @path) {
        $_ eq '..' ? pop @to : push @to, $_;
    }

    my $to = join '/', @to;

    return "no such file" unless -e "$root/$to";
    return '' unless defined $anchor;
    return "not a document that has anchors" unless $anchors{$to};
    return $anchors{$to}{$anchor} ? '' : "no such heading";
}


for my $doc (@docs) {
    my @links = links($text{$doc});
    my @broken = grep { /: / } map { "$_: " . resolve($doc, $_) } @links;

    @broken = grep { !/: $/ } @broken;
    is(join("\n", @broken), '', "$doc: its links lead somewhere, "
                                . @links . " of them");
}


my $readme = $text{'README.md'};
my %linked = map { s/#.*//r => 1 } links($readme);

ok($linked{$_}, "README.md leads to $_")
    for grep { m{^docs/} } @docs;
ok($linked{$_}, "README.md leads to $_")
    for map { "conf-examples/" . basename($_) }
            glob "$root/conf-examples/*.conf";


# directives: the module's, and the statements of ai_route

my @directives = $source{'ngx_http_ai_module.c'}
                 =~ /\{ ngx_string\("(ai_\w+)"\),\n/g;
my ($table) = $source{'ngx_http_ai_conf_route.c'}
              =~ /_conf_route_words\[\] = \{(.*?)\n\};/s;
my @statements = ($table // '') =~ /ngx_string\("(\w+)"\)/g;

cmp_ok(scalar @directives, '>=', 16, 'directives are found in the source');
cmp_ok(scalar @statements, '>=', 5, 'statements of ai_route are found');

for my $name (@directives, @statements) {
    my ($section) = $text{'docs/directives.md'}
                    =~ /^#{2,3} \Q$name\E\n\n```\n(.*?)^```/ms;

    ok($anchors{'docs/directives.md'}{$name}, "$name has a heading");
    like($section // '', qr/^Syntax: +.*^Default: +.*^Context: +/ms,
         "$name has Syntax, Default and Context");
    like($readme, qr/^\| \[\Q$name\E\]\(docs\/directives\.md#\Q$name\E\) \|/m,
         "$name is in the index");
}

is_deeply([sort $readme =~ /^\| \[(\w+)\]\(docs\/directives\.md#/gm],
          [sort @directives, @statements], 'the index has no others');


# variables

my @variables = $source{'ngx_http_ai_var.c'} =~ /ngx_string\("(ai_\w+)"\)/g;
my ($index) = $readme =~ /^## Variables\n(.*?)^## /ms;

cmp_ok(scalar @variables, '>=', 21, 'variables are found in the source');

is_deeply([sort $text{'docs/variables.md'} =~ /^\| `\$(ai_\w+)` \|/gm],
          [sort @variables], 'each variable has a row');
is_deeply([sort $index =~ /\[\$(ai_\w+)\]/g], [sort @variables],
          'each variable is in the index');


# metrics: without what Prometheus adds to histograms

my $code = join "\n", values %source;

for my $doc (@docs) {
    my %named = map { s/_(?:bucket|sum|count)$//r => 1 }
                    $text{$doc} =~ /\b(ai_route_[a-z]+_\w+[a-z]
                                      |gen_ai_(?:server|client)_\w+[a-z])\b/gx;
    my @unknown = grep { my $name = $_ =~ s/^ai_route_//r;
                         $code !~ /"\Q$_\E"/ && $code !~ /"\Q$name\E"/ }
                  grep { !/_(?:module|t)$/ } sort keys %named;

    is("@unknown", '', "$doc: its metrics exist");
}


# The lines of the log.  What a format puts in is a mark here and there; what
# stands before a string is a name that is a string itself.

sub messages {
    my ($level) = @_;
    my @found;

    for my $file (sort keys %source) {
        my $text = $source{$file};

        while ($text =~ /\bngx_log_error\(($level),
                        ((?:"(?:[^"\\]|\\.)*"|[^;"])*?)\);/gx) {
            my ($args) = $2;
            my ($format) = $args =~ /((?:\w+_n\s+)?"(?:[^"\\]|\\.)*"
                                      (?:\s*"(?:[^"\\]|\\.)*"
                                       |\s+\w+_n\b)*)/x;

            next unless defined $format;

            $format =~ s/\b\w+_n\b(?=\s*"|$)/"…"/g;
            $format = join '', $format =~ /"((?:[^"\\]|\\.)*)"/g;
            $format =~ s/\\"/"/g;
            $format =~ s/(?:%\*?(?:u[ixLA]|[a-zA-Z]))+/…/g;
            push @found, [$file, $format];
        }
    }

    return @found;
}

my $operations = $text{'docs/operations.md'} // '';
my @lines = $operations =~ /^\| `([^`]*)` \| (?:warn|err|crit|alert|emerg)/gm;
my @serious = messages('NGX_LOG_(?:WARN|ERR|CRIT|ALERT|EMERG)');
my @all = (@serious, messages('\w+'));

cmp_ok(scalar @serious, '>=', 30, 'log lines are found in the source');

for (@serious) {
    my ($file, $format) = @$_;

    # of the system's own calls only the call is told
    next if $format =~ /^\w+\(\) failed$/;

    ok((grep { $format eq $_ } @lines), "operations.md has: $format");
}

for my $line (@lines) {
    ok((grep { $line eq $_->[1] } @all), "the module logs: $line");
}


# names of the source

my $names = join ' ', $code, map { basename($_) =~ s/\.[ch]$//r }
                             glob("$root/src/*.[ch]"),
                             glob("$root/src/pure/*.[ch]");

for my $doc (@docs) {
    my %named = map { $_ => 1 } $text{$doc} =~ /\b(ngx_http_ai_\w+)/g;

    is(join(' ', grep { $names !~ /\b\Q$_\E/ } sort keys %named), '',
       "$doc: names of the source");
}


# what the documents call by name: files of the tree, targets of make, and
# options of the tools, as these tell them

my %help;
my $targets = slurp("$root/Makefile");

for my $doc (@docs) {
    my (%file, %target, %option);

    $file{$1} = 1 while $text{$doc}
        =~ m{(?<![\w/.])((?:src|t|docker|conf-examples)/
             [\w./-]*\w\.(?:[ch]|t|pm|py|md|conf|conf\.in|json|yaml|yml))\b}gx;
    $file{$1} = 1 while $text{$doc} =~ m{(?<![\w/.])(t/tools/[a-z][\w-]*\w)}g;
    $target{$1} = 1 while $text{$doc}
        =~ /(?:`|\$ |^ *)(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)/gm;

    # "make modules" is nginx's
    is(join(' ', grep { !-e "$root/$_" } sort keys %file), '',
       "$doc: files that are named exist");
    is(join(' ', grep { $targets !~ /^\Q$_\E\b.*:/m }
                 grep { $_ ne 'modules' } sort keys %target), '',
       "$doc: targets that are named exist");

    while ($text{$doc} =~ m{(?:\$ |`)(t/tools/[\w-]+)((?:[^`\n]|\\\n)*)}g) {
        my ($tool, $rest) = ($1, $2);

        $option{"$tool $1"} = 1 while $rest =~ /(?<=\s)(--[a-z][\w-]*)/g;
    }

    for (sort keys %option) {
        my ($tool, $option) = split ' ';

        next unless -x "$root/$tool";
        $help{$tool} //= `$root/$tool --help 2>&1`;
        like($help{$tool}, qr/(?<![\w-])\Q$option\E(?![\w-])/,
             "$doc: $tool has $option");
    }
}


# sizes of the zone's nodes, as the command in health.md shows them: the
# compiler is asked, which is there where gdb need not be

my $health = $text{'docs/health.md'};
my ($gdb) = $health =~ /^(\$ gdb -batch .*?)^```/ms;
my %size;
@size{$gdb =~ /'print ([^']+)'/g} = $gdb =~ /^\$\d+ = (\d+)$/gm;
my $tree = build_dir() . '/nginx-src';
my $src = Cwd::realpath("$root/src");

cmp_ok(scalar(keys %size), '>=', 13, 'sizes are told');
is(scalar(grep { !defined } values %size), 0, 'one for each expression');

# of each row of the table the type that ends its expression
my %row = (account => 'account_node', cell => 'cell_node',
           model => 'model_node', balance => 'balance_node',
           key => 'quota_node', purse => 'purse', gate => 'gate_node',
           claim => 'claim', pin => 'pin_node', 'fixed part' => 'zone_sh',
           counters => 'tally', history => 'tally_step');

for my $row (sort keys %row) {
    my ($bytes) = $health =~ /^\| \Q$row\E \| [^|]* \| (\d+)/m;
    my ($expr) = grep { /ngx_http_ai_$row{$row}_t\)$/ } keys %size;

    is($bytes // '', $size{$expr // ''}, "$row: as in the table");
}

SKIP: {
    skip 'the module was built elsewhere', 1 unless -e "$tree/objs/Makefile";

    my ($mk, $c) = map { tmp_dir() . "/$_" } qw(cc.mk size.c);

    spew($mk, "include objs/Makefile\n"
              . "cc: ; \@echo \$(CC) \$(CFLAGS) \$(ALL_INCS)\n");
    my $cc = `cd $tree && env -u MAKEFLAGS -u MAKELEVEL make -s -f $mk cc`;
    chomp $cc;

    # some types are known to one file alone
    for my $expr (sort keys %size) {
        my ($type) = $expr =~ /(ngx_http_ai_\w+)/;
        my ($file) = grep { slurp($_) =~ /^\} \Q$type\E;/m }
                     map { glob("$src/*.$_"), glob("$src/pure/*.$_") } qw(h c);

        spew($c, '#include "' . ($file // 'none') . "\"\n"
                 . "_Static_assert($expr == $size{$expr}, \"\");\n");
        my $out = `cd $tree && $cc -I $src -I $src/pure -fsyntax-only $c 2>&1`;
        is($?, 0, "$expr: $size{$expr}") or diag($out);
    }
}

done_testing();
