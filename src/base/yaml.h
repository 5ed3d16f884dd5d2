// SPDX-License-Identifier: MIT
/*
 * YAML read into a tree whose nodes know their line, over libyaml. Safe: no tags are interpreted, no aliases expand
 * (an alias is an error), depth, node count and file size are limited.
 */
#ifndef GANTRY_BASE_YAML_H
#define GANTRY_BASE_YAML_H

#include "base/arena.h"
#include "base/err.h"

typedef enum YamlKind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP } YamlKind;

typedef struct YamlNode {
    YamlKind kind;
    int line, column;              /* 1-based */
    bool quoted;                   /* a quoted scalar is text even if it looks like a number or null */
    const char *key;               /* inside a map: the key, as written */
    const char *text;              /* YAML_SCALAR */
    struct YamlNode *first, *next; /* children of a list or map, in file order; next sibling */
} YamlNode;

/* The document as a tree in the arena. An empty file is a YAML_NULL node. Errors name path:line:column. */
const YamlNode *yaml_load_file(Arena *arena, const char *path, Err *err);
const YamlNode *yaml_load(Arena *arena, Span text, const char *name_for_errors, Err *err);

/* Child of a map, NULL if absent (or node is not a map). */
const YamlNode *yaml_get(const YamlNode *map, const char *key);
/* yes true t y 1 on / no false f n 0 off, any case. */
bool yaml_bool(const YamlNode *node, bool *out);

#endif
