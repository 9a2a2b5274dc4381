
/*
 * Copyright (C) nginx-ai-route contributors
 */


#ifndef _NGX_HTTP_AI_VERSION_H_INCLUDED_
#define _NGX_HTTP_AI_VERSION_H_INCLUDED_


/* of the module; docs/CHANGES.md says what each one brought */
#define NGX_HTTP_AI_VERSION  "0.7.0"


#endif /* _NGX_HTTP_AI_VERSION_H_INCLUDED_ */
