// SPDX-License-Identifier: MIT
#include "archive/audit_xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect(const char *line, const char *xml)
{
    Buf out;
    buf_init(&out, 0);
    assert_true(audit_xml_write(&out, span_cstr(line)));
    assert_string_equal(buf_cstr(&out), xml);
    buf_free(&out);
}

#define START "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage>"

static void test_elements_and_attributes(void **state)
{
    expect(
        "{\"seq\":1,\"prev\":\"x\",\"EventIdentification\":{\"EventActionCode\":\"E\","
        "\"EventOutcomeIndicator\":4,"
        "\"EventID\":{\"csd-code\":\"110112\"},\"EventTypeCode\":[{\"csd-code\":\"1\"},{\"csd-code\":\"2\"}],"
        "\"EventOutcomeDescription\":\"half\"},\"ActiveParticipant\":[{\"UserID\":\"A\",\"UserIsRequestor\":"
        "true},"
        "{\"UserID\":\"B\",\"UserIsRequestor\":false}]}",
        START
        "<EventIdentification EventActionCode=\"E\" EventOutcomeIndicator=\"4\"><EventID csd-code=\"110112\">"
        "</EventID><EventTypeCode csd-code=\"1\"></EventTypeCode><EventTypeCode "
        "csd-code=\"2\"></EventTypeCode>"
        "<EventOutcomeDescription>half</EventOutcomeDescription></EventIdentification>"
        "<ActiveParticipant UserID=\"A\" UserIsRequestor=\"true\"></ActiveParticipant>"
        "<ActiveParticipant UserID=\"B\" UserIsRequestor=\"false\"></ActiveParticipant></AuditMessage>");
}

/* What a peer calls itself ends no attribute, and is no element. */
static void test_hostile_texts(void **state)
{
    expect("{\"EventIdentification\":{\"EventOutcomeDescription\":\"<a>&\\\"\\u0001\\n\"},"
           "\"ActiveParticipant\":[{\"UserID\":\"\\\"><AuditMessage x='M\xC3\xBCller\"}]}",
           START
           "<EventIdentification><EventOutcomeDescription>&lt;a&gt;&amp;&quot;?\?</EventOutcomeDescription>"
           "</EventIdentification><ActiveParticipant UserID=\"&quot;&gt;&lt;AuditMessage x='M\xC3\xBCller\">"
           "</ActiveParticipant></AuditMessage>");
}

static void test_details_are_base64(void **state)
{
    expect("{\"EventIdentification\":{},\"ParticipantObjectIdentification\":[{\"ParticipantObjectID\":\"1\","
           "\"ParticipantObjectDetail\":[{\"type\":\"Instances\",\"value\":\"4\"},{\"type\":\"E\",\"value\":"
           "\"\"}]}]}",
           START "<EventIdentification></EventIdentification><ParticipantObjectIdentification "
                 "ParticipantObjectID=\"1\">"
                 "<ParticipantObjectDetail type=\"Instances\" value=\"NA==\"></ParticipantObjectDetail>"
                 "<ParticipantObjectDetail type=\"E\" value=\"\"></ParticipantObjectDetail>"
                 "</ParticipantObjectIdentification></AuditMessage>");
}

static void test_what_came_again(void **state)
{
    expect("{\"EventIdentification\":{\"EventOutcomeDescription\":\"no\"},\"Repeated\":3,\"RepeatedUntil\":"
           "\"T\"}",
           START
           "<EventIdentification><EventOutcomeDescription>no; 3 more times until T</EventOutcomeDescription>"
           "</EventIdentification></AuditMessage>");
    expect("{\"EventIdentification\":{},\"Repeated\":3,\"RepeatedUntil\":\"T\",\"RepeatedInstances\":2}",
           START "<EventIdentification><EventOutcomeDescription>3 more times until T, 2 instances in all"
                 "</EventOutcomeDescription></EventIdentification></AuditMessage>");
    expect(
        "{\"EventIdentification\":{},\"Repeated\":3000,\"RepeatedUntil\":\"T\",\"RepeatedInstances\":1024}",
        START "<EventIdentification><EventOutcomeDescription>3000 more times until T, at least 1024 "
              "instances in all</EventOutcomeDescription></EventIdentification></AuditMessage>");
}

static void test_what_is_no_record(void **state)
{
    static const char *const lines[] = {"", "{", "[]", "{\"EventIdentification\":1}", "12", "{\"a\":{}}"};
    Buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_false(audit_xml_write(&out, span_cstr(lines[i])));
    assert_int_equal(out.n, 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements_and_attributes), cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_details_are_base64),      cmocka_unit_test(test_what_came_again),
        cmocka_unit_test(test_what_is_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
