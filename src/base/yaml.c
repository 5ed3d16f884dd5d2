// SPDX-License-Identifier: MIT
/*
 * YAML 1.1 through libyaml's event parser, built into a tree without recursion.
 *
 * The settings of an archive come through here, and files that others dropped into its folders: size, depth and the
 * number of nodes are limited, an alias is an error (no "billion laughs"), tags mean nothing, a key may not come twice.
 */
#include "base/yaml.h"
#include "base/buf.h"
#include "base/file.h"
#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { MAX_BYTES = 4 << 20, MAX_DEPTH = 64, MAX_NODES = 200000 };

typedef struct Level {
    YamlNode *node;
    YamlNode *last;  /* last child so far */
    const char *key; /* of a map: the key whose value comes next */
    int key_line, key_column;
} Level;

typedef struct Builder {
    Arena *arena;
    const char *name;
    YamlNode *root;
    Level stack[MAX_DEPTH];
    int depth, nodes;
    Err *err;
} Builder;

static bool fail_at(Builder *b, const yaml_mark_t *mark, const char *what)
{
    return err_set(b->err, ERR_FORMAT, "%s:%zu:%zu: %s", b->name, mark->line + 1, mark->column + 1, what);
}

static bool is_null_text(const char *text)
{
    return !*text || !strcmp(text, "~") || !strcasecmp(text, "null");
}

/* Hangs the node into the tree: the root, the next item of a list, or the value of the pending key. */
static bool attach(Builder *b, YamlNode *node, const yaml_mark_t *mark)
{
    if (++b->nodes > MAX_NODES)
        return fail_at(b, mark, "too many values in one file");
    if (!b->depth) {
        b->root = node;
        return true;
    }
    Level *level = &b->stack[b->depth - 1];
    if (level->node->kind == YAML_MAP) {
        if (!level->key)
            return fail_at(b, mark, "a key must be plain text");
        node->key = level->key;
        level->key = NULL;
        if (node->kind == YAML_NULL) {
            node->line = level->key_line;
            node->column = level->key_column;
        }
    }
    if (level->last)
        level->last->next = node;
    else
        level->node->first = node;
    level->last = node;
    return true;
}

static YamlNode *new_node(Builder *b, YamlKind kind, const yaml_mark_t *mark)
{
    YamlNode *node = arena_alloc(b->arena, sizeof *node);
    node->kind = kind;
    node->line = (int)mark->line + 1;
    node->column = (int)mark->column + 1;
    return node;
}

static bool take_key(Builder *b, Level *level, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return fail_at(b, &event->start_mark, "a NUL character in a key");
    if (yaml_get(level->node, text)) {
        err_set(b->err, ERR_FORMAT,
                "%s:%zu:%zu: key '%.80s' is here twice (first in line %d); keep one of them", b->name,
                event->start_mark.line + 1, event->start_mark.column + 1, text,
                yaml_get(level->node, text)->line);
        return false;
    }
    level->key = arena_strdup(b->arena, text);
    level->key_line = (int)event->start_mark.line + 1;
    level->key_column = (int)event->start_mark.column + 1;
    return true;
}

static bool take_scalar(Builder *b, const yaml_event_t *event)
{
    Level *level = b->depth ? &b->stack[b->depth - 1] : NULL;
    if (level && level->node->kind == YAML_MAP && !level->key)
        return take_key(b, level, event);

    const char *text = (const char *)event->data.scalar.value;
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (strlen(text) != event->data.scalar.length)
        return fail_at(b, &event->start_mark, "a NUL character in a value");
    YamlNode *node = new_node(b, !quoted && is_null_text(text) ? YAML_NULL : YAML_SCALAR, &event->start_mark);
    node->quoted = quoted;
    if (node->kind == YAML_SCALAR)
        node->text = arena_strdup(b->arena, text);
    return attach(b, node, &event->start_mark);
}

static bool open_collection(Builder *b, YamlKind kind, const yaml_mark_t *mark)
{
    YamlNode *node = new_node(b, kind, mark);
    if (!attach(b, node, mark))
        return false;
    if (b->depth == MAX_DEPTH)
        return fail_at(b, mark, "nested too deeply");
    b->stack[b->depth++] = (Level){.node = node};
    return true;
}

static bool take_event(Builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(b, YAML_LIST, &event->start_mark);
    case YAML_MAPPING_START_EVENT:
        return open_collection(b, YAML_MAP, &event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return true;
    case YAML_ALIAS_EVENT:
        return fail_at(b, &event->start_mark, "aliases ('*name') are not accepted here; write the value out");
    case YAML_DOCUMENT_START_EVENT:
        return b->root ? fail_at(b, &event->start_mark, "a second document ('---'); only one is accepted")
                       : true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return true;
}

static bool fail_parse(Builder *b, const yaml_parser_t *parser)
{
    const yaml_mark_t *mark = parser->error == YAML_READER_ERROR ? &parser->mark : &parser->problem_mark;
    const char *problem = parser->problem ? parser->problem : "not readable as YAML";
    if (parser->context && parser->problem)
        return err_set(b->err, ERR_FORMAT, "%s:%zu:%zu: %s (%s)", b->name, mark->line + 1, mark->column + 1,
                       problem, parser->context);
    return fail_at(b, mark, problem);
}

const YamlNode *yaml_load(Arena *arena, Span text, const char *name_for_errors, Err *err)
{
    const YamlNode *result = NULL;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        err_set(err, ERR_INTERNAL, "%s: no memory for the YAML parser", name_for_errors);
        return NULL;
    }
    Builder b = {.arena = arena, .name = name_for_errors, .err = err};
    yaml_mark_t start = {0};
    yaml_parser_set_input_string(&parser, text.p ? text.p : (const unsigned char *)"", text.n);
    if (text.n > MAX_BYTES) {
        err_set(err, ERR_LIMIT, "%s: %zu bytes are too many for a settings file (at most %d)",
                name_for_errors, text.n, MAX_BYTES);
        goto done;
    }
    for (bool end = false; !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            fail_parse(&b, &parser);
            goto done;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        bool ok = take_event(&b, &event);
        yaml_event_delete(&event);
        if (!ok)
            goto done;
    }
    result = b.root ? b.root : new_node(&b, YAML_NULL, &start);
done:
    yaml_parser_delete(&parser);
    return result;
}

const YamlNode *yaml_load_file(Arena *arena, const char *path, Err *err)
{
    Buf content;
    buf_init(&content, 0);
    const YamlNode *root = NULL;
    if (file_read_all(path, MAX_BYTES, &content, err))
        root = yaml_load(arena, buf_span(&content), path, err);
    if (content.n) /* files of settings may have secrets in them */
        explicit_bzero(content.p, content.n);
    buf_free(&content);
    return root;
}

const YamlNode *yaml_get(const YamlNode *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (const YamlNode *child = map->first; child; child = child->next)
        if (!strcmp(child->key, key))
            return child;
    return NULL;
}

bool yaml_bool(const YamlNode *node, bool *out)
{
    static const char *const yes[] = {"yes", "true", "t", "y", "1", "on"};
    static const char *const no[] = {"no", "false", "f", "n", "0", "off"};
    if (!node || node->kind != YAML_SCALAR)
        return false;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        bool is_yes = !strcasecmp(node->text, yes[i]);
        if (is_yes || !strcasecmp(node->text, no[i])) {
            *out = is_yes;
            return true;
        }
    }
    return false;
}
