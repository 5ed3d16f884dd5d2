// SPDX-License-Identifier: MIT
/*
 * What pfstorage does with a storage, as JSON asks for it: {"action": "ls", "args": {…}}.
 *
 *   ls       path, substr, retSpec                       what is there: {status, ls: [{…}]}
 *   objPut   localpath, toLocation, mapLocationOver, DICOMsubstr, packEachDICOM, fileList, remoteFileList     as px-push prints it
 *   objPull  fromLocation, toLocation, substr            {status, localFileList, objectFileList, localpath, currentWorkingDir, error?}
 *   rmtree   path, substr, confirm                       {status, dellist, error?}
 *
 * `path` and fromLocation are beginnings of names; rmtree deletes whole folders only, so that "a" does not mean "ab/x".
 *
 * What comes down stays below toLocation, whatever the objects are called; a file that is there with the same content is not fetched again.
 */
#ifndef GANTRY_PX_DIRECTIVE_H
#define GANTRY_PX_DIRECTIVE_H

#include "px/push.h"

typedef struct PxDirectives {
    PxStorage *storage;
    const char *class_name; /* as pypx calls it in its message: "swiftStorage" */
    const PxTemplates *templates;
    bool confirmed; /* rmtree may delete */
    unsigned parallel;
    FILE *trace;
} PxDirectives;

/* *result (caller frees) is never NULL. False with err when `status` is false in it. */
bool px_directive(const PxDirectives *directives, const json_t *directive, json_t **result, Err *err);

#endif
