# Copyright (C) nginx-ai-route contributors

package AIConf;

=head1 NAME

AIConf - for test files that check what "nginx -t" says

=head1 SYNOPSIS

    use lib 't/lib';
    use AIRoute;
    use Test::Nginx::Socket 'no_plan';
    use AIConf wrap => { route => "upstream a { ... }\n%s\n" };

    run_tests();

    __DATA__

    === TEST 1: an empty route
    --- route
    ai_route m { }
    --- says
    route "m" is empty -> 12

A block's "ai" (or one of the sections named in "wrap", which are put into a
small complete configuration) becomes the file ai.conf, included in http, so
that lines can be counted.

    --- says, --- warns    one message per line: how it begins and, after the
                           arrow, the line of ai.conf it names, or the file;
                           nginx must refuse to start with the first
    --- silent             nothing of ai.conf is warned of
    --- config             instead of a location with ai_pass

$TMP is the folder of the test file, {cxN} the character c N times.  Whatever
must not be logged has "s3cr3t" in it.

=cut

use strict;
use warnings;

use AIRoute ();
use Test::Nginx::Util ();


sub import {
    my ($class, %arg) = @_;

    Test::Nginx::Util::add_block_preprocessor(sub {
        prepare($_[0], $arg{wrap} || {});
    });
}


sub prepare {
    my ($block, $wrap) = @_;
    my $tmp = AIRoute::tmp_dir();
    my ($text, @patterns);

    $text = $block->ai;

    for my $kind (keys %$wrap) {
        next unless defined $block->$kind;
        (my $in = $block->$kind) =~ s/\n\z//;
        $text = sprintf $wrap->{$kind}, $in;
    }

    $text =~ s/\$TMP/$tmp/g;
    # too long to be written out here
    $text =~ s/\{(.)x(\d+)\}/$1 x $2/ge;

    $block->set_value('user_files', ">>> ai.conf\n$text");
    $block->set_value('http_config', "include ../html/ai.conf;\n");

    $block->set_value('config', "location /v1/ { ai_pass; }\n"
                                . "location = /up { return 204; }\n")
        unless defined $block->config;

    for my $kind (qw(says warns)) {
        next unless defined $block->$kind;

        for my $line (split /\n/, $block->$kind) {
            my ($what, $at) = $line =~ /^(.*) -> (\S+)$/
                or die $block->name . ": no place in \"$line\"\n";
            my $level = $kind eq 'says' ? 'emerg' : 'warn';

            $what =~ s/\$TMP/$tmp/g;
            $at = "ai.conf:$at" if $at =~ /^\d+$/;
            # names the core appends: "in /path/ai.conf:3"
            push @patterns,
                 qr{\[$level\][^\n]*\Q$what\E[^\n]* in \S*\Q$at\E(?!\d)};
        }
    }

    $block->set_value('must_die', '') if defined $block->says;
    $block->set_value('error_log', [@patterns]) if @patterns;
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204) unless defined $block->says;

    AIRoute::add_pattern($block, 'no_error_log', qr/$_/)
        for 's3cr3t', defined $block->silent ? '\[warn\].*ai\.conf' : ();
}

1;
