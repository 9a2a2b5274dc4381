
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The dashboard, joined from its files while they are assembled: one document,
 * in read-only memory, with marks around the two parts whose hashes its
 * policy names.  The paths are those below the module's include directory.
 *
 * A file of its own and not asm() in the C: what is linked with -flto is
 * assembled once more, later and elsewhere, where no path leads here.  And no
 * generated header: that would need a tool, and a rule in nginx's make file.
 */


    .macro page_mark name
    .global \name
    .hidden \name
\name:
    .endm


    .section .rodata

page_mark ngx_http_ai_page

    .incbin "dashboard/head.html"

    .ascii "<style>"
page_mark ngx_http_ai_page_style
    .incbin "dashboard/style.css"
page_mark ngx_http_ai_page_style_end
    .ascii "</style>\n<script>"

    /* constants come before what uses them while it is loaded */

page_mark ngx_http_ai_page_script
    .incbin "dashboard/dom.js"
    .incbin "dashboard/format.js"
    .incbin "dashboard/words.js"
    .incbin "dashboard/data.js"
    .incbin "dashboard/chart.js"
    .incbin "dashboard/parts.js"
    .incbin "dashboard/diagnose.js"
    .incbin "dashboard/overview.js"
    .incbin "dashboard/accounts.js"
    .incbin "dashboard/requests.js"
    .incbin "dashboard/cost.js"
    .incbin "dashboard/explain.js"
    .incbin "dashboard/drills.js"
    .incbin "dashboard/app.js"
page_mark ngx_http_ai_page_script_end
    .ascii "</script>\n"

    .incbin "dashboard/body.html"

page_mark ngx_http_ai_page_end


    /* nothing here is run */
    .section .note.GNU-stack, "", %progbits
